"""`imagesearch push`: upload the images of a folder that a bucket does not hold yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.errors import Interrupted, UsageError
from local.options import (
    INCOMPLETE,
    RESUMABLE,
    Exclude,
    ImageFolder,
    Json,
    NoDefaultExcludes,
    set_excludes,
    validated_patterns,
)

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.adapters.filesystem.excludes import Excludes
    from local.aws.clients import S3Location

THREADS = 8


def push(
    folder: ImageFolder,
    to: Annotated[
        str, typer.Argument(metavar="S3://BUCKET/PREFIX", help="Destination of the images.")
    ],
    exclude: Exclude = None,
    no_default_excludes: NoDefaultExcludes = False,
    as_json: Json = False,
) -> None:
    """Upload a folder's images to a bucket; unchanged objects are not uploaded again.

    Exit status 1: a file was not uploaded; a message states the reason.
    """
    from rich.console import Console

    from imagesearch.adapters.filesystem.excludes import Excludes
    from local.aws.clients import aws_client, s3_location

    location = s3_location(to)
    set_excludes(folder, exclude, no_default_excludes)
    excludes = Excludes(folder, validated_patterns(exclude), defaults=not no_default_excludes)
    try:
        s3, console = aws_client("s3"), Console(stderr=True)
        report = push_folder(folder, location, s3, console, excludes)
    except KeyboardInterrupt as stopped:
        raise Interrupted(RESUMABLE) from stopped
    if as_json:
        from local.terminal.tables import print_json_lines

        print_json_lines([report.as_json()])
    if not report.complete:
        raise typer.Exit(INCOMPLETE)


class PushStatus(StrEnum):
    """Results of one file, in the words and the order of the summary."""

    UPLOADED = "uploaded"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PushResult:
    """The result of one file, with a reason if it failed."""

    path: str
    status: PushStatus
    reason: str = ""


@dataclass(slots=True)
class PushReport:
    """The numbers of files by result, and the reasons of those that failed or were skipped."""

    counts: Counter[PushStatus] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True if the bucket holds every image of the folder."""
        return not (self.failed or self.skipped)

    def as_json(self) -> dict[str, Any]:
        reasons = {
            name: [{"path": path, "reason": why} for path, why in files]
            for name, files in (("failed", self.failed), ("skipped", self.skipped))
        }
        done = (PushStatus.UPLOADED, PushStatus.UNCHANGED)
        return {"complete": self.complete, **{each: self.counts[each] for each in done}, **reasons}


def push_folder(
    folder: Path, to: S3Location, s3: Any, console: Console, excludes: Excludes | None = None
) -> PushReport:
    """Upload new and changed images, and print the report. Raises UsageError."""
    from imagesearch.adapters.filesystem.image_store import FolderStore
    from imagesearch.domain.media_types import named_as_image
    from local.terminal.output import print_line, printable, tracked

    if not folder.is_dir():
        raise UsageError(f"{folder} does not exist or is not a folder")
    store = FolderStore(folder, excludes=excludes)
    report = PushReport(skipped=list(store.skipped()))
    for path, why in report.skipped:
        print_line(console, f"skipped {printable(path)}: {why}")
    images = [ref.key for ref, _ in store.list_images() if named_as_image(ref.key)]
    existing = _existing_objects(to, s3)
    results = _upload_all(images, folder, to, existing, s3)
    for result in tracked(results, len(images), console, "uploading"):
        report.counts[result.status] += 1
        if result.status is PushStatus.FAILED:
            report.failed.append((result.path, result.reason))
            print_line(console, f"failed {printable(result.path)}: {result.reason}")
    counts = report.counts
    summary = [f"{counts[status]:,} {status.value}" for status in PushStatus if counts[status]]
    print_line(console, ", ".join(summary) or "no images")
    return report


def _existing_objects(to: S3Location, s3: Any) -> dict[str, tuple[int, str]]:
    """Size and ETag of each object below the destination, by key."""
    from local.aws.clients import aws_errors_as_usage_errors

    pages = s3.get_paginator("list_objects_v2")
    with aws_errors_as_usage_errors(f"cannot list {to}"):
        return {
            each["Key"]: (each["Size"], each["ETag"].strip('"'))
            for page in pages.paginate(Bucket=to.bucket, Prefix=to.key(""))
            for each in page.get("Contents", ())
        }


def _upload_all(
    images: list[str], folder: Path, to: S3Location, existing: dict[str, tuple[int, str]], s3: Any
) -> Iterator[PushResult]:
    from concurrent.futures import ThreadPoolExecutor

    from botocore.exceptions import BotoCoreError, ClientError

    from local.aws.clients import error_message

    def upload(path: str) -> PushResult:
        key = to.key(path)
        try:
            return PushResult(path, _upload(folder / path, to.bucket, key, existing.get(key), s3))
        except (ClientError, BotoCoreError) as error:
            return PushResult(path, PushStatus.FAILED, error_message(error))
        except OSError as error:
            return PushResult(path, PushStatus.FAILED, str(error.strerror))

    threads = ThreadPoolExecutor(THREADS)
    try:
        yield from threads.map(upload, images)
    finally:
        threads.shutdown(cancel_futures=True)


def _upload(
    file: Path, bucket: str, key: str, existing: tuple[int, str] | None, s3: Any
) -> PushStatus:
    """Upload one file unless its size and MD5 equal those of the object.

    The ETag of a multipart upload is no MD5; such an object is uploaded again.
    """
    import hashlib

    from imagesearch.domain.media_types import SNIFF_BYTES, likely_type

    with file.open("rb") as data:
        content_type = likely_type(data.read(SNIFF_BYTES), key) or "application/octet-stream"
        data.seek(0)
        if existing and existing[0] == file.stat().st_size:
            digest = hashlib.file_digest(data, lambda: hashlib.md5(usedforsecurity=False))
            if digest.hexdigest() == existing[1]:
                return PushStatus.UNCHANGED
            data.seek(0)
        s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)
    return PushStatus.UPLOADED
