"""Claims: the reconciliation of a stack is started, awaited and reported."""

import json
from typing import Any

import pytest

from local.errors import UsageError
from local.smoke.api_access import ApiAccess
from local.smoke.buckets import FolderBucket
from local.smoke.images import smoke_images
from local.smoke.reconciliation import (
    MACHINE,
    FolderReconciliation,
    Reconciliation,
    StackReconciliation,
)
from local.smoke.results import CheckFailed, CheckSkipped
from local.smoke.run import SmokeTest
from local.smoke.timing import Timing

OUTPUT = json.dumps([{"counts": {"compared": 5, "gone": 1}}, {"counts": {"compared": 2}}])


class Aws:
    """CloudFormation and Step Functions: each description takes the next state."""

    def __init__(self, *states: dict[str, Any], outputs: tuple[str, ...] = (MACHINE,)) -> None:
        self._states = iter(states)
        self._outputs = [{"OutputKey": name, "OutputValue": f"arn:{name}"} for name in outputs]
        self.started: list[str] = []

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{"Outputs": self._outputs}]}

    def start_execution(self, **request: str) -> dict[str, Any]:
        self.started.append(request["stateMachineArn"])
        return {"executionArn": "arn:execution"}

    def describe_execution(self, **request: str) -> dict[str, Any]:
        assert request == {"executionArn": "arn:execution"}
        return next(self._states)


def of_stack(aws: Aws) -> StackReconciliation:
    return StackReconciliation("photos", lambda _: aws)


def test_the_state_machine_is_started_and_its_counts_are_added():
    aws = Aws({"status": "RUNNING"}, {"status": "SUCCEEDED", "output": OUTPUT})
    reconciliation = of_stack(aws)
    reconciliation.start()
    assert aws.started == [f"arn:{MACHINE}"]
    assert reconciliation.result() is None
    assert reconciliation.result() == "7 compared, 1 gone"


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_execution_that_failed_fails_with_its_cause(status):
    reconciliation = of_stack(Aws({"status": status, "cause": "AccessDenied"}))
    reconciliation.start()
    with pytest.raises(CheckFailed, match=f"{status}: AccessDenied"):
        reconciliation.result()


def test_a_stack_of_an_older_release_is_named():
    with pytest.raises(UsageError, match=f"photos has no output {MACHINE}"):
        of_stack(Aws(outputs=())).start()


def run_check(reconciliation: Reconciliation, tmp_path: Any) -> str:
    seconds = iter(range(10_000))
    timing = Timing(now=lambda: float(next(seconds)), sleep=lambda _: None)
    access = ApiAccess(None, None, {}, has_credentials=False)  # type: ignore[arg-type]
    images, bucket = smoke_images(), FolderBucket(tmp_path)
    return SmokeTest(access, bucket, images, timing, reconciliation=reconciliation)._reconcile()


def test_a_reconciliation_that_takes_long_is_skipped_and_one_that_fails_is_not(tmp_path):
    with pytest.raises(CheckSkipped, match="still running"):
        run_check(of_stack(Aws(*[{"status": "RUNNING"}] * 1000)), tmp_path)
    with pytest.raises(CheckFailed, match="ABORTED"):
        run_check(of_stack(Aws({"status": "RUNNING"}, {"status": "ABORTED"})), tmp_path)
    assert run_check(of_stack(Aws({"status": "SUCCEEDED", "output": "[]"})), tmp_path)


def test_a_folder_without_an_index_here_is_skipped(tmp_path):
    with pytest.raises(CheckSkipped, match="--data-dir"):
        FolderReconciliation(tmp_path, tmp_path / "data").start()
