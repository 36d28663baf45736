"""`imagesearch verify`: compare a bucket or a folder with its index, and repair the index."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.errors import Interrupted, UsageError
from local.options import (
    DATA_DIR,
    INCOMPLETE,
    DataDir,
    Exclude,
    IndexUrl,
    Json,
    Model,
    NoDefaultExcludes,
    set_excludes,
)

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.adapters.sqlite.damage import Damage
    from imagesearch.domain.images import ImageRef
    from imagesearch.settings import Settings
    from local.aws.deployment import Deployment
    from local.workspace import Workspace

log = logging.getLogger(__name__)
POLL_SECONDS = 2.0
# A report is a day old or older: all that was written since differs from it.
MAX_RECHECKS_OF_INVENTORY = 100_000
DAMAGED, KEPT = "damaged", "kept"


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
    index_url: IndexUrl = None,
    model: Model = None,
    no_thumbnails: Annotated[
        bool, typer.Option("--no-thumbnails", help="Do not read the thumbnails.")
    ] = False,
    inventory: Annotated[
        str | None,
        typer.Option(
            metavar="S3://BUCKET/PREFIX",
            help="Read the bucket's listing from the newest report of S3 Inventory (CSV) below"
            " this prefix, or from this manifest.json.",
        ),
    ] = None,
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Compare a folder or a bucket with its index; exit status 1 if they differ.

    Thumbnails and feedback are read to find damaged ones.
    """
    from rich.console import Console

    console = Console(stderr=True)
    try:
        if target and target.startswith("s3://"):
            deployment = read_whole_bucket(target, stack, index_url, model, data_dir)
            equal = verify_bucket(
                deployment,
                console,
                repair=repair,
                as_json=as_json,
                inventory=inventory,
                thumbnails=not no_thumbnails,
            )
        else:
            if inventory:
                raise UsageError("--inventory needs a bucket: write s3://BUCKET")
            from local.workspace import selected_workspace

            workspace = selected_workspace(Path(target) if target else None, data_dir)
            workspace.must_be_indexed()
            set_excludes(workspace.folder, exclude, no_default_excludes)
            equal = verify_folder(
                workspace,
                model,
                console,
                repair=repair,
                as_json=as_json,
                thumbnails=not no_thumbnails,
            )
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
        from local.terminal.output import printable
        from local.terminal.tables import print_json_lines

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
    workspace: Workspace,
    model: str | None,
    console: Console,
    *,
    repair: bool,
    as_json: bool,
    thumbnails: bool = True,
) -> bool:
    """Print the differences of a folder; True if there are none, after the repair if requested."""
    from local.lambda_runtime import settings_of
    from local.models.installed import STARTER, model_folder
    from local.sync.initial_indexing import index_with_progress
    from local.sync.reconcile import open_engine
    from local.terminal.output import print_line

    name = model or workspace.model or STARTER
    settings = settings_of(workspace, model_folder(name, workspace.directory.parent))
    compare = partial(compare_folder, workspace, settings, as_json=as_json, thumbnails=thumbnails)
    findings = compare(repair=repair)
    print_line(console, findings.summary())
    if not (repair and findings.counts):
        return not findings.counts
    index_with_progress(open_engine(workspace, name), console)
    findings = compare()
    print_line(console, f"after the repair: {findings.summary()}")
    return not findings.counts


def compare_folder(
    workspace: Workspace,
    settings: Settings,
    *,
    as_json: bool,
    repair: bool = False,
    thumbnails: bool = True,
) -> Findings:
    """Print the differences; with `repair`, what is damaged is removed, so that it is missing."""
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
    for key, reason in damaged_rows(settings, repair=repair):
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
    add_derived(settings, findings, repair=repair, thumbnails=thumbnails)
    return findings


def damaged_rows(settings: Settings, *, repair: bool) -> Iterator[tuple[str, str]]:
    """Key and reason of all damage of an SQLite index and of its label sets.

    `repair` deletes damaged rows, or replaces the file.
    """
    if not settings.index_url.startswith("sqlite:"):
        return
    from imagesearch import bootstrap
    from imagesearch.adapters.sqlite.database import index_dimensions
    from imagesearch.classification.label_sets import described
    from imagesearch.domain.errors import Unavailable

    path, name = bootstrap.local_path(settings.index_url), bootstrap.index_name(settings)
    dimension = bootstrap.manifest_of(settings.model_uri).dimension
    rows = _damaged_rows(path, name, dimension, repair=repair)
    yield from ((each.key, each.reason) for each in rows)
    try:
        spaces = index_dimensions(path)
    except Unavailable:  # a damaged file, which has been reported
        return
    for space, dimension in spaces.items():
        if not space.startswith(f"{settings.index_prefix}-labels-"):
            continue
        for each in _damaged_rows(path, space, dimension, repair=repair, structure=False):
            yield described(each.key), f"{each.reason}: put the label set again"


def _damaged_rows(
    path: Path, name: str, dimension: int, *, repair: bool, structure: bool = True
) -> Iterator[Damage]:
    from imagesearch.adapters.sqlite.damage import find_damage
    from imagesearch.adapters.sqlite.damage import repair as repair_index

    is_damaged = False
    for each in find_damage(path, name, dimension, structure=structure):
        is_damaged = True
        yield each
    if repair and is_damaged and (recovery := repair_index(path, name, dimension)):
        log.warning(
            "the damaged index file was renamed to %s; %s images were read from it",
            recovery.set_aside.name,
            f"{recovery.images:,}",
        )


# ---- Thumbnails and feedback


def add_derived(
    settings: Settings, findings: Findings, *, repair: bool, thumbnails: bool
) -> list[ImageRef]:
    """Print damaged thumbnails and feedback; the images of the thumbnails.

    With `repair`, these thumbnails are missing in their records, and this feedback is set aside.
    """
    from imagesearch import bootstrap
    from imagesearch.domain.images import ImageRef
    from imagesearch.feedback import damaged_feedback, set_aside
    from imagesearch.indexing.thumbnail_verification import damaged_thumbnails, forget_thumbnails

    derived, index = bootstrap.derived_store(settings), bootstrap.vector_index(settings)
    if derived is None:
        return []
    damaged = []
    for each in damaged_thumbnails(index, derived) if thumbnails else ():
        damaged.append(each)
        findings.add(Finding(each.ref, DAMAGED, each.reason))
    if repair:
        forget_thumbnails(index, derived, damaged)
    for key in damaged_feedback(derived):
        reason = "this feedback is not what was stored"
        findings.add(Finding(ImageRef(findings.bucket, key), DAMAGED, reason))
        if repair:
            set_aside(derived, key)
    return [each.ref for each in damaged]


# ---- A bucket


def read_whole_bucket(
    target: str,
    stack: str,
    index_url: str | None,
    model: str | None,
    data_dir: Path,
    clients: Any = None,
) -> Deployment:
    """The deployment that indexes a bucket. Raises UsageError."""
    from local.aws.clients import s3_location
    from local.aws.deployment import read_deployment

    location = s3_location(target)
    if location.prefix:
        raise UsageError(f"verify compares a whole bucket: write s3://{location.bucket}")
    return read_deployment(stack, index_url, model, data_dir, clients, BucketName=location.bucket)


def verify_bucket(
    deployment: Deployment,
    console: Console,
    *,
    repair: bool,
    as_json: bool,
    inventory: str | None = None,
    thumbnails: bool = True,
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Print the differences of a bucket; True if there are none, after the repair if requested.

    A repair sends the keys to the queue of the indexing function and waits until it is empty. With
    `inventory`, the listing is that of a report of S3 Inventory.
    """
    from imagesearch.adapters.sqs import SqsRecheckQueue
    from imagesearch.indexing.reconciliation import KeySender
    from local.terminal.output import print_line

    sender = KeySender(SqsRecheckQueue(deployment.queue_url)) if repair else None
    compare = partial(
        compare_bucket, deployment, as_json=as_json, inventory=inventory, thumbnails=thumbnails
    )
    findings = compare(found=sender.add if sender else None)
    print_line(console, findings.summary())
    if not (sender and findings.counts):
        return not findings.counts
    sender.flush()
    wait_until_empty(deployment.queue_url, console, sleep)
    findings = compare()
    print_line(console, f"after the repair: {findings.summary()}")
    return not findings.counts


def compare_bucket(
    deployment: Deployment,
    *,
    as_json: bool,
    inventory: str | None = None,
    thumbnails: bool = True,
    found: Callable[[ImageRef], None] | None = None,
) -> Findings:
    """Print the differences, and call `found` with each image to repair."""
    from imagesearch import bootstrap
    from imagesearch.indexing.comparison import Difference
    from imagesearch.indexing.consistency import confirmed

    settings = deployment.settings
    findings = Findings(settings.bucket, as_json)
    index = bootstrap.vector_index(settings)
    if inventory:
        from local.aws.inventory import InventoriedStore

        store = InventoriedStore(settings.bucket, inventory)
        compared_keys = confirmed(store, index, rechecks=MAX_RECHECKS_OF_INVENTORY)
    else:
        compared_keys = confirmed(bootstrap.image_store(settings), index)
    for compared in compared_keys:
        findings.compared += 1
        newer = Difference.CHANGED if compared.is_newer else None
        if difference := compared.difference or newer:
            findings.add(Finding(compared.ref, difference.value))
            if found:
                found(compared.ref)
    repair = found is not None
    for ref in add_derived(settings, findings, repair=repair, thumbnails=thumbnails):
        if found:
            found(ref)
    return findings


def wait_until_empty(
    queue_url: str, console: Console, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Wait until the queue is empty at two requests in a row: its length is approximate."""
    from imagesearch.adapters.sqs import SqsQueue
    from local.terminal.output import print_line

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
