"""`imagesearch feedback export`: what was kept, in the order of days."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imagesearch.domain.storage_keys import FEEDBACK
from local.aws import in_a_sentence
from local.s3_location import S3Location
from local.workspace import last_used, workspace_of


def kept_here(folder: Path | None, data_dir: Path) -> Iterator[str]:
    """What was said of an indexed folder's images. Raises WrongUsage."""
    workspace = workspace_of(folder, data_dir) if folder else last_used(data_dir)
    for path in sorted((workspace.derived / FEEDBACK).rglob("*.json")):
        yield path.read_text(encoding="utf-8")


def kept_in_s3(location: S3Location, s3: Any) -> Iterator[str]:
    """What is kept in a bucket of derived data. Raises WrongUsage."""
    with in_a_sentence(f"cannot read {location}"):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=location.bucket, Prefix=location.key(FEEDBACK)
        )
        for page in pages:
            for found in page.get("Contents", ()):
                kept = s3.get_object(Bucket=location.bucket, Key=found["Key"])
                yield kept["Body"].read().decode()
