"""`imagesearch verify`: compare a bucket or a folder with its index, and repair the index."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.errors import Interrupted, UsageError
from local.options import (
    DATA_DIR,
    INCOMPLETE,
    DataDir,
    Exclude,
    Json,
    Model,
    NoDefaultExcludes,
    set_excludes,
)

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.domain.images import ImageRef
    from imagesearch.settings import Settings
    from local.workspace import Workspace

log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
DAMAGED, KEPT = "damaged", "kept"
OUTPUTS = ("BucketName", "OpenSearchEndpoint", "IndexPrefix", "ModelUri", "BackfillQueueUrl")


def verify(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER|S3://BUCKET",
            help="Indexed folder, or the bucket of a deployed system. Default: the last folder.",
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Index what differs, and compare again.")
    ] = False,
    stack: Annotated[
        str, typer.Option(help="Name of the deployed stack, for a bucket.")
    ] = "imagesearch",
    index_url: Annotated[
        str | None, typer.Option(help="OpenSearch endpoint, instead of that of the stack.")
    ] = None,
    model: Model = None,
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Compare a folder or a bucket with its index; exit status 1 if they differ."""
    from rich.console import Console

    console = Console(stderr=True)
    try:
        if target and target.startswith("s3://"):
            deployment = read_deployment(target, stack, index_url, model, data_dir)
            equal = verify_bucket(deployment, console, repair=repair, as_json=as_json)
        else:
            from local.workspace import selected_workspace

            workspace = selected_workspace(Path(target) if target else None, data_dir)
            workspace.must_be_indexed()
            set_excludes(workspace.folder, exclude, no_default_excludes)
            equal = verify_folder(workspace, model, console, repair=repair, as_json=as_json)
    except KeyboardInterrupt as stopped:
        raise Interrupted("Stopped. What was sent or indexed is kept.") from stopped
    if not equal:
        raise typer.Exit(INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Finding:
    """A key on which bucket and index differ; `kind` is a Difference, "damaged" or "kept"."""

    ref: ImageRef
    kind: str
    reason: str = ""


@dataclass(slots=True)
class Findings:
    """Prints each finding, and counts them by kind; `compared` is the number of keys."""

    bucket: str
    as_json: bool
    compared: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        from local.output import printable
        from local.tables import print_json_lines

        self.counts[finding.kind] += 1
        ref = finding.ref
        other = {} if ref.bucket == self.bucket else {"bucket": ref.bucket}
        if self.as_json:
            reason = {"reason": finding.reason} if finding.reason else {}
            print_json_lines([{"key": ref.key, "difference": finding.kind, **other, **reason}])
        else:
            key = printable(f"s3://{ref.bucket}/{ref.key}" if other else ref.key)
            reason_text = f" ({printable(finding.reason)})" if finding.reason else ""
            print(f"{finding.kind}\t{key}{reason_text}")  # noqa: T201

    def summary(self) -> str:
        """Such as `120 images: 1 missing, 2 gone`."""
        differences = ", ".join(f"{number:,} {kind}" for kind, number in self.counts.items())
        return f"{self.compared:,} images: {differences or 'no difference'}"


# ---- A folder


def verify_folder(
    workspace: Workspace, model: str | None, console: Console, *, repair: bool, as_json: bool
) -> bool:
    """Print the differences of a folder; True if there are none, after the repair if requested."""
    from local.lambda_runtime import settings_of
    from local.models import STARTER, model_folder
    from local.output import print_line
    from local.sync.initial_indexing import index_with_progress
    from local.sync.reconcile import open_engine

    name = model or workspace.model or STARTER
    settings = settings_of(workspace, model_folder(name, workspace.directory.parent))
    findings = compare_folder(workspace, settings, as_json=as_json, repair=repair)
    print_line(console, findings.summary())
    if not (repair and findings.counts):
        return not findings.counts
    index_with_progress(open_engine(workspace, name), console)
    findings = compare_folder(workspace, settings, as_json=as_json)
    print_line(console, f"after the repair: {findings.summary()}")
    return not findings.counts


def compare_folder(
    workspace: Workspace, settings: Settings, *, as_json: bool, repair: bool = False
) -> Findings:
    """Print the differences; with `repair`, damaged rows are deleted, so that they are missing."""
    from imagesearch import bootstrap
    from imagesearch.domain.errors import DamagedIndex
    from imagesearch.domain.images import ImageRef
    from imagesearch.indexing.comparison import Difference
    from imagesearch.indexing.consistency import confirmed
    from local.sync.mount_points import load_mount_points

    store = bootstrap.folder_store(settings)
    store.set_mount_points(load_mount_points(workspace.directory))
    findings = Findings(store.bucket, as_json)
    damaged = set()
    for key, reason in damaged_images(settings, repair=repair):
        damaged.add(key)
        findings.add(Finding(ImageRef(store.bucket, key), DAMAGED, reason))

    def unreachable(ref: ImageRef) -> None:
        findings.compared += 1
        findings.add(Finding(ref, KEPT, "its file cannot be seen"))

    try:
        index = bootstrap.vector_index(settings)
    except DamagedIndex:
        return findings
    for compared in confirmed(store, index, unreachable):
        findings.compared += 1
        ref, difference = compared.ref, compared.difference
        if not difference or ref.key in damaged:
            continue
        cause = store.unavailability(ref.key) if difference is Difference.GONE else None
        if cause and ref.bucket == store.bucket:
            findings.add(Finding(ref, KEPT, cause.reason))
        else:
            findings.add(Finding(ref, difference.value))
    return findings


def damaged_images(settings: Settings, *, repair: bool) -> Iterator[tuple[str, str]]:
    """Key and reason of all damage of an SQLite index; `repair` deletes or replaces what has it."""
    if not settings.index_url.startswith("sqlite:"):
        return
    from imagesearch import bootstrap
    from imagesearch.adapters.sqlite.damage import find_damage
    from imagesearch.adapters.sqlite.damage import repair as repair_index

    path, name = bootstrap.local_path(settings.index_url), bootstrap.index_name(settings)
    dimension = bootstrap.manifest_of(settings.model_uri).dimension
    is_damaged = False
    for each in find_damage(path, name, dimension):
        is_damaged = True
        yield each.key, each.reason
    if repair and is_damaged and (recovery := repair_index(path, name, dimension)):
        log.warning(
            "the damaged index file was renamed to %s; %s images were read from it",
            recovery.set_aside.name,
            f"{recovery.images:,}",
        )


# ---- A bucket


@dataclass(frozen=True, slots=True)
class Deployment:
    """The settings of a deployed system, and the queue to which its repairs are sent."""

    settings: Settings
    queue_url: str


def read_deployment(
    target: str,
    stack: str,
    index_url: str | None,
    model: str | None,
    data_dir: Path,
    clients: Any = None,
) -> Deployment:
    """The deployment of a stack, read from its outputs. Raises UsageError."""
    from imagesearch.settings import Settings
    from local.aws import aws_client, aws_errors_as_usage_errors, s3_location

    location = s3_location(target)
    if location.prefix:
        raise UsageError(f"verify compares a whole bucket: write s3://{location.bucket}")
    with aws_errors_as_usage_errors(f"cannot read the stack {stack}"):
        described = (clients or aws_client)("cloudformation").describe_stacks(StackName=stack)
    outputs = {
        each["OutputKey"]: each["OutputValue"] for each in described["Stacks"][0].get("Outputs", [])
    }
    if missing := [name for name in OUTPUTS if name not in outputs]:
        raise UsageError(f"the stack {stack} has no output {missing[0]}: deploy it again")
    if outputs["BucketName"] != location.bucket:
        raise UsageError(
            f"the stack {stack} indexes s3://{outputs['BucketName']}, not s3://{location.bucket}:"
            " name its bucket, or another stack with --stack"
        )
    names = {
        "BUCKET": location.bucket,
        "INDEX_URL": index_url or outputs["OpenSearchEndpoint"],
        "INDEX_PREFIX": outputs["IndexPrefix"],
        "MODEL_URI": _model_uri(outputs["ModelUri"], model, data_dir),
    }
    return Deployment(Settings.from_environment(names), outputs["BackfillQueueUrl"])


def _model_uri(deployed: str, model: str | None, data_dir: Path) -> str:
    """A URI of the deployed model that this machine can read. Raises UsageError."""
    from local.models import STARTER, model_folder

    if model is None and deployed.startswith("s3://"):
        return deployed
    if model is None and deployed != "/opt/starter_model":
        raise UsageError(f"the model {deployed} is in a layer: name its folder with --model")
    return str(model_folder(model or STARTER, data_dir))


def verify_bucket(
    deployment: Deployment,
    console: Console,
    *,
    repair: bool,
    as_json: bool,
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Print the differences of a bucket; True if there are none, after the repair if requested.

    A repair sends the keys to the queue of the indexing function and waits until it is empty.
    """
    from imagesearch.adapters.sqs import SqsRecheckQueue
    from imagesearch.indexing.reconciliation import KeySender
    from local.output import print_line

    sender = KeySender(SqsRecheckQueue(deployment.queue_url)) if repair else None
    findings = compare_bucket(deployment, as_json=as_json, found=sender.add if sender else None)
    print_line(console, findings.summary())
    if not (sender and findings.counts):
        return not findings.counts
    sender.flush()
    wait_until_empty(deployment.queue_url, console, sleep)
    findings = compare_bucket(deployment, as_json=as_json)
    print_line(console, f"after the repair: {findings.summary()}")
    return not findings.counts


def compare_bucket(
    deployment: Deployment, *, as_json: bool, found: Callable[[ImageRef], None] | None = None
) -> Findings:
    """Print the differences, and call `found` with each."""
    from imagesearch import bootstrap
    from imagesearch.indexing.comparison import Difference
    from imagesearch.indexing.consistency import confirmed

    settings = deployment.settings
    findings = Findings(settings.bucket, as_json)
    store, index = bootstrap.image_store(settings), bootstrap.vector_index(settings)
    for compared in confirmed(store, index):
        findings.compared += 1
        newer = Difference.CHANGED if compared.is_newer else None
        if difference := compared.difference or newer:
            findings.add(Finding(compared.ref, difference.value))
            if found:
                found(compared.ref)
    return findings


def wait_until_empty(
    queue_url: str, console: Console, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Wait until the queue is empty at two requests in a row: its length is approximate."""
    from imagesearch.adapters.sqs import SqsQueue
    from local.output import print_line

    queue = SqsQueue(queue_url)
    empty, printed = 0, ""
    while empty < 2:
        sleep(POLL_SECONDS)
        lag = queue.lag()
        waiting = lag.waiting + lag.in_flight
        empty = 0 if waiting else empty + 1
        line = f"{waiting:,} messages are waiting to be indexed"
        if waiting and line != printed:
            print_line(console, printed := line)
