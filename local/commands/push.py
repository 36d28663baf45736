"""`imagesearch push`: bring a folder's images into a bucket, those that are not there already."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from imagesearch.adapters.filesystem.excludes import Excludes
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.media_types import SNIFF_BYTES, likely_type, named_as_image
from local.aws import S3Location, in_a_sentence, reason
from local.errors import UsageError
from local.output import printable, tracked

AT_A_TIME = 8


class Ending(StrEnum):
    UPLOADED = "uploaded"
    THERE = "there already"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of one file, and why where it failed."""

    path: str
    ending: Ending
    reason: str = ""


def push_folder(
    folder: Path, to: S3Location, s3: Any, console: Console, excludes: Excludes | None = None
) -> bool:
    """Upload what is new or has changed; whether all of it is there now. Raises WrongUsage."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not there, or is no folder")
    store = FolderStore(folder, excludes=excludes)
    for path, why in (troubles := list(store.skipped())):
        _say(console, f"passed over {printable(path)}: {why}")
    images = [ref.key for ref, _ in store.list_images() if named_as_image(ref.key)]
    there = _there(to, s3)
    counts: Counter[Ending] = Counter()
    for pushed in tracked(_push(images, folder, to, there, s3), len(images), console, "uploading"):
        counts[pushed.ending] += 1
        if pushed.ending is Ending.FAILED:
            _say(console, f"failed {printable(pushed.path)}: {pushed.reason}")
    told = [f"{counts[ending]:,} {ending.value}" for ending in Ending if counts[ending]]
    _say(console, ", ".join(told) or "no images")
    return not (counts[Ending.FAILED] or troubles)


def _there(to: S3Location, s3: Any) -> dict[str, tuple[int, str]]:
    """Size and ETag of what the bucket holds where the folder goes."""
    pages = s3.get_paginator("list_objects_v2")
    with in_a_sentence(f"cannot list {to}"):
        return {
            each["Key"]: (each["Size"], each["ETag"].strip('"'))
            for page in pages.paginate(Bucket=to.bucket, Prefix=to.key(""))
            for each in page.get("Contents", ())
        }


def _push(
    images: list[str], folder: Path, to: S3Location, there: dict[str, tuple[int, str]], s3: Any
) -> Iterator[Pushed]:
    def push(path: str) -> Pushed:
        key = to.key(path)
        try:
            return Pushed(path, _put(folder / path, to.bucket, key, there.get(key), s3))
        except (ClientError, BotoCoreError) as error:
            return Pushed(path, Ending.FAILED, reason(error))
        except OSError as error:
            return Pushed(path, Ending.FAILED, str(error.strerror))

    threads = ThreadPoolExecutor(AT_A_TIME)
    try:
        yield from threads.map(push, images)
    finally:
        threads.shutdown(cancel_futures=True)


def _put(file: Path, bucket: str, key: str, there: tuple[int, str] | None, s3: Any) -> Ending:
    """An ETag is the MD5 of what was uploaded in one part; any other is uploaded again."""
    with file.open("rb") as data:
        content_type = likely_type(data.read(SNIFF_BYTES), key) or "application/octet-stream"
        data.seek(0)
        if there and there[0] == file.stat().st_size:
            digest = hashlib.file_digest(data, lambda: hashlib.md5(usedforsecurity=False))
            if digest.hexdigest() == there[1]:
                return Ending.THERE
            data.seek(0)
        s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type)
    return Ending.UPLOADED


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
