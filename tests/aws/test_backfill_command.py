"""Claims about `imagesearch backfill`: it starts the right state machine and says how far it is."""

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from local.aws import s3_location
from local.commands.backfill import Wanted, follow, start_backfill
from local.errors import WrongUsage
from tests.integration.commands.conftest import BUCKET

Wait = Callable[[str], tuple[bool, str]]


@pytest.fixture
def work(s3, queue) -> str:
    for number in range(12):
        s3.put_object(Bucket=BUCKET, Key=f"2019/{number}.jpg", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="2020/a.jpg", Body=b"")
    return queue("backfill")


@pytest.fixture
def stack(aws) -> Callable[[str, str], None]:
    """Makes a stack with the outputs that the template has."""

    def stack(name: str, machine: str) -> None:
        outputs = {"BucketName": BUCKET, "BackfillStateMachineArn": machine}
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items() if value},
        }
        aws("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))

    return stack


@pytest.fixture
def wait(aws, eventually) -> Wait:
    """Follows an execution; gives whether all was sent, and what was said."""

    def wait(execution: str) -> tuple[bool, str]:
        def begun() -> bool:
            try:
                aws("stepfunctions").list_map_runs(executionArn=execution)
            except AttributeError:  # moto's own, until the execution's thread is there
                return False
            return True

        eventually("the execution begins", begun)
        said = io.StringIO()
        return follow(execution, aws, Console(file=said), every=0.01), said.getvalue()

    return wait


def wanted(objects: str, models: str = "all", stack: str = "images", arn: str | None = None):
    return Wanted(s3_location(objects), models, stack, arn)


def test_the_stack_says_which_state_machine_it_is(aws, work, machine, stack, wait, drain):
    stack("images", machine(work))
    done, said = wait(start_backfill(wanted(f"s3://{BUCKET}"), aws))
    assert done
    assert said.splitlines()[-1].startswith("all are sent")
    assert len(drain(work)) == 2


def test_a_prefix_is_handed_on(aws, work, machine, wait, drain):
    assert wait(start_backfill(wanted(f"s3://{BUCKET}/2020/", arn=machine(work)), aws))[0]
    (message,) = drain(work)
    assert json.loads(message["body"])["keys"] == ["2020/a.jpg"]


def test_a_backfill_that_fails_says_why(aws, work, machine, wait):
    started = start_backfill(wanted(f"s3://{BUCKET}", models="next", arn=machine(work)), aws)
    done, said = wait(started)
    assert not done
    assert "FAILED: there is no next model: deploy with NextModelName first" in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (wanted("s3://another"), "indexes s3://photos, not s3://another"),
        (wanted(f"s3://{BUCKET}", stack="nowhere"), "cannot read the stack nowhere: .*not exist"),
        (wanted(f"s3://{BUCKET}", stack="old"), "the stack old has no backfill"),
        (wanted(f"s3://{BUCKET}", models="both"), "--models is one of all, current, next"),
        (wanted(f"s3://{BUCKET}", arn="backfill"), "cannot start the backfill: "),
    ],
)
def test_what_cannot_be_started_is_told_in_a_sentence(aws, work, machine, stack, given, said):
    stack("images", machine(work))
    stack("old", "")
    with pytest.raises(WrongUsage, match=said):
        start_backfill(given, aws)
