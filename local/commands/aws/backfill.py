"""`imagesearch backfill`: have a deployed system index the existing objects of its bucket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.errors import Interrupted, UsageError
from local.options import INCOMPLETE, Json

if TYPE_CHECKING:
    from rich.console import Console

    from local.aws.clients import S3Location

MODELS = ("all", "current", "next")
POLL_SECONDS = 2.0
# A boto3 client by the name of its service.
Clients = Callable[[str], Any]


def backfill(
    objects: Annotated[str, typer.Argument(metavar="S3://BUCKET/PREFIX", help="Objects to index.")],
    stack: Annotated[str, typer.Option(help="Name of the deployed stack.")] = "imagesearch",
    state_machine: Annotated[
        str | None, typer.Option(help="ARN of the backfill state machine, instead of --stack.")
    ] = None,
    models: Annotated[str, typer.Option(help="Models to index for: all, current or next.")] = "all",
    wait: Annotated[bool, typer.Option("--wait", help="Report progress until it ends.")] = False,
    as_json: Json = False,
) -> None:
    """Index the objects that a deployed system's bucket already holds."""
    from rich.console import Console

    from local.aws.clients import aws_client, s3_location
    from local.terminal.tables import print_json_lines

    options = BackfillOptions(s3_location(objects), models, stack, state_machine)
    execution = start_backfill(options, aws_client)
    if as_json:
        print_json_lines([{"execution": execution}])
    else:
        print(execution)  # noqa: T201
    try:
        if not wait:
            return
        succeeded = follow(execution, aws_client, Console(stderr=True))
        if as_json:
            print_json_lines([{"execution": execution, "succeeded": succeeded}])
        if not succeeded:
            raise typer.Exit(INCOMPLETE)
    except KeyboardInterrupt as stopped:
        raise Interrupted("Stopped waiting. The backfill continues.") from stopped


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """The objects, the models to index them for, and the state machine or the stack that has it."""

    objects: S3Location
    models: str
    stack: str
    state_machine: str | None = None


def start_backfill(options: BackfillOptions, clients: Clients) -> str:
    """Start an execution and return its ARN. Raises UsageError."""
    from local.aws.clients import aws_errors_as_usage_errors

    if options.models not in MODELS:
        raise UsageError(f"--models is one of {', '.join(MODELS)}")
    machine = options.state_machine or _state_machine_of_stack(options, clients("cloudformation"))
    execution_input = {
        "bucket": options.objects.bucket,
        "prefix": options.objects.prefix,
        "models": options.models,
    }
    with aws_errors_as_usage_errors("cannot start the backfill"):
        started = clients("stepfunctions").start_execution(
            stateMachineArn=machine, input=json.dumps(execution_input)
        )
    return str(started["executionArn"])


def follow(execution: str, clients: Clients, console: Console, every: float = POLL_SECONDS) -> bool:
    """Print the progress until the execution ends; True if it succeeded. Raises UsageError."""
    from local.aws.clients import aws_errors_as_usage_errors
    from local.terminal.output import print_line

    step_functions = clients("stepfunctions")
    printed = ""
    with aws_errors_as_usage_errors("cannot read the progress of the backfill"):
        while True:
            description = step_functions.describe_execution(executionArn=execution)
            progress = _progress(step_functions, execution)
            if progress != printed:
                print_line(console, printed := progress)
            if description["status"] != "RUNNING":
                break
            time.sleep(every)
    if description["status"] == "SUCCEEDED":
        print_line(
            console, "all objects sent; they are searchable when the backfill queue is empty"
        )
        return True
    cause = description.get("cause") or description.get("error") or "no cause reported"
    print_line(console, f"the backfill ended as {description['status']}: {cause}")
    return False


def _state_machine_of_stack(options: BackfillOptions, cloudformation: Any) -> str:
    from local.aws.clients import stack_outputs

    outputs = stack_outputs(options.stack, cloudformation)
    if "BackfillStateMachineArn" not in outputs:
        raise UsageError(
            f"the stack {options.stack} has no backfill: deploy it again, or use --stack"
        )
    if outputs["BucketName"] != options.objects.bucket:
        raise UsageError(
            f"the stack {options.stack} indexes s3://{outputs['BucketName']}, "
            f"not s3://{options.objects.bucket}: name its bucket, or another stack with --stack"
        )
    return str(outputs["BackfillStateMachineArn"])


def _progress(step_functions: Any, execution: str) -> str:
    runs = step_functions.list_map_runs(executionArn=execution)["mapRuns"]
    counts = [
        step_functions.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"] for run in runs
    ]
    sent, total = (sum(each[name] for each in counts) for name in ("succeeded", "total"))
    return f"{sent:,} of {total:,} objects sent" if total else "listing the bucket"
