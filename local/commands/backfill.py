"""`imagesearch backfill`: have a deployed system look at everything that its bucket holds."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from local.aws import S3Location, in_a_sentence
from local.errors import UsageError

MODELS = ("all", "current", "next")
POLL_SECONDS = 2.0
Clients = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be looked at, for which models, and the state machine that sees to it."""

    objects: S3Location
    models: str
    stack: str
    state_machine: str | None = None


def start_backfill(wanted: Wanted, clients: Clients) -> str:
    """The ARN of the execution that was started. Raises WrongUsage."""
    if wanted.models not in MODELS:
        raise UsageError(f"--models is one of {', '.join(MODELS)}")
    machine = wanted.state_machine or _of_stack(wanted, clients("cloudformation"))
    given = {
        "bucket": wanted.objects.bucket,
        "prefix": wanted.objects.prefix,
        "models": wanted.models,
    }
    with in_a_sentence("cannot start the backfill"):
        started = clients("stepfunctions").start_execution(
            stateMachineArn=machine, input=json.dumps(given)
        )
    return str(started["executionArn"])


def follow(execution: str, clients: Clients, console: Console, every: float = POLL_SECONDS) -> bool:
    """Say how far it is until it ends; whether every object was sent. Raises WrongUsage."""
    states = clients("stepfunctions")
    told = ""
    with in_a_sentence("cannot follow the backfill"):
        while True:
            found = states.describe_execution(executionArn=execution)
            progress = _progress(states, execution)
            if progress != told:
                _say(console, told := progress)
            if found["status"] != "RUNNING":
                break
            time.sleep(every)
    if found["status"] == "SUCCEEDED":
        _say(console, "all are sent; they are searchable when the backfill's queue is empty")
        return True
    cause = found.get("cause") or found.get("error") or "no cause was given"
    _say(console, f"the backfill ended as {found['status']}: {cause}")
    return False


def _of_stack(wanted: Wanted, cloudformation: Any) -> str:
    with in_a_sentence(f"cannot read the stack {wanted.stack}"):
        stacks = cloudformation.describe_stacks(StackName=wanted.stack)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stacks[0].get("Outputs", [])}
    if "BackfillStateMachineArn" not in outputs:
        raise UsageError(
            f"the stack {wanted.stack} has no backfill: deploy it anew, or use --stack"
        )
    if outputs["BucketName"] != wanted.objects.bucket:
        raise UsageError(
            f"the stack {wanted.stack} indexes s3://{outputs['BucketName']}, "
            f"not s3://{wanted.objects.bucket}: name its bucket, or another stack with --stack"
        )
    return str(outputs["BackfillStateMachineArn"])


def _progress(states: Any, execution: str) -> str:
    runs = states.list_map_runs(executionArn=execution)["mapRuns"]
    counts = [states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"] for run in runs]
    sent, total = (sum(each[name] for each in counts) for name in ("succeeded", "total"))
    return f"{sent:,} of {total:,} objects sent" if total else "listing the bucket"


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
