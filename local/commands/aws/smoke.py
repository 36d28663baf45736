"""`imagesearch smoke`: test a deployment by uploading, searching and deleting a few images."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from local.data_directory import DATA_DIR
from local.errors import Interrupted, UsageError
from local.options import API_KEY, INCOMPLETE, DataDir, Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.smoke.api_access import ApiAccess
    from local.smoke.reconciliation import Reconciliation
    from local.smoke.results import CheckResult


def smoke(
    endpoint: Annotated[
        str,
        typer.Option(metavar="URL", help=f"Address of the API; its key is read from {API_KEY}."),
    ],
    bucket: Annotated[
        str,
        typer.Option(
            help="Bucket that the API searches, or the folder of a local server as a path with a"
            " slash."
        ),
    ],
    iam: Annotated[
        bool,
        typer.Option("--iam", help="Sign requests with the AWS credentials (Access=Iam)."),
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="IMAGESEARCH_TOKEN", help="ID token of an Amazon Cognito user (Access=Cognito)."
        ),
    ] = None,
    stack: Annotated[
        str | None,
        typer.Option(help="Name of the deployed stack, to run its reconciliation, too."),
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Test a deployment: upload images, search, replace and delete them, and report each check."""
    from rich.console import Console

    from local.commands.serve import interrupt
    from local.smoke.buckets import smoke_bucket
    from local.smoke.images import smoke_images
    from local.smoke.run import SmokeTest
    from local.terminal.output import print_line

    console = Console(stderr=True)
    target, images = smoke_bucket(bucket), smoke_images()
    access = _access(endpoint, iam, token)
    test = SmokeTest(
        access,
        target,
        images,
        say=lambda line: print_line(console, line),
        reconciliation=_reconciliation(bucket, target.is_local, stack, data_dir),
    )
    signal.signal(signal.SIGTERM, interrupt)
    try:
        test.run()
    except KeyboardInterrupt as stopped:
        raise Interrupted(f"Stopped. The images were below {images.prefix}") from stopped
    finally:
        access.close()
        _print(test.results, as_json)
    if any(each.result == "failed" for each in test.results):
        raise typer.Exit(INCOMPLETE)


def _reconciliation(
    bucket: str, is_local: bool, stack: str | None, data_dir: Path
) -> Reconciliation | None:
    from local.smoke.reconciliation import FolderReconciliation, StackReconciliation

    if is_local:
        return FolderReconciliation(Path(bucket), data_dir)
    return StackReconciliation(stack) if stack else None


def _access(endpoint: str, iam: bool, token: str | None) -> ApiAccess:
    """Raises UsageError for an address that is no URL, and without AWS credentials."""
    from urllib.parse import urlsplit

    from local.smoke.api_access import access_with_iam, access_with_key, access_with_token

    if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
        raise UsageError(f"--endpoint {endpoint!r} is not the address of an API")
    if iam and token:
        raise UsageError("--iam and --token are for different deployments: give one of them")
    if token:
        return access_with_token(endpoint, token)
    return access_with_iam(endpoint) if iam else access_with_key(endpoint, os.environ.get(API_KEY))


def _print(results: Sequence[CheckResult], as_json: bool) -> None:
    from local.terminal.tables import print_json_lines, print_table

    if as_json:
        print_json_lines(each.as_json() for each in results)
    else:
        print_table(("check", "result", "time", "details"), [each.as_row() for each in results])
