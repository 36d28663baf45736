"""Claims about `imagesearch push`: it uploads missing files and reports those that failed."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from local.aws.clients import S3Location, s3_location
from local.commands.aws.push import push_folder
from local.errors import UsageError
from tests.integration.commands.conftest import BUCKET

JPEG = b"\xff\xd8\xff and so on"
Push = Callable[..., tuple[bool, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "dogs/b c+1.JPG", "dogs/ünï/100%.webp"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(JPEG + name.encode())
    (tmp_path / "pictures/notes.txt").write_text("not an image")
    (tmp_path / "pictures/.hidden.jpg").write_bytes(JPEG)
    return tmp_path / "pictures"


@pytest.fixture
def push(s3, folder) -> Push:
    """Pushes the folder; returns its success and the messages."""

    def push(to: str = f"s3://{BUCKET}/2024", client=s3) -> tuple[bool, str]:
        output = io.StringIO()
        report = push_folder(folder, s3_location(to), client, Console(file=output))
        return report.complete, output.getvalue()

    return push


def keys(s3) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_only_images_are_uploaded_with_prefix_and_name_as_key(push, s3):
    assert push() == (True, "3 uploaded\n")
    assert keys(s3) == ["2024/a.jpg", "2024/dogs/b c+1.JPG", "2024/dogs/ünï/100%.webp"]


@pytest.mark.parametrize("to", [f"s3://{BUCKET}", f"s3://{BUCKET}/"])
def test_names_are_keys_without_a_prefix(push, s3, to):
    push(to)
    assert keys(s3) == ["a.jpg", "dogs/b c+1.JPG", "dogs/ünï/100%.webp"]


def test_the_content_type_follows_the_bytes_and_not_the_name(push, s3):
    push()
    found = s3.get_object(Bucket=BUCKET, Key="2024/dogs/ünï/100%.webp")
    assert found["ContentType"] == "image/jpeg"
    assert found["Body"].read() == JPEG + "dogs/ünï/100%.webp".encode()


def test_existing_objects_are_not_uploaded_again(push):
    push()
    assert push() == (True, "3 unchanged\n")


def test_another_image_of_the_same_size_is_uploaded(push, s3, folder):
    push()
    changed = (JPEG + b"a.jpg")[::-1]
    (folder / "a.jpg").write_bytes(changed)
    assert push() == (True, "1 uploaded, 2 unchanged\n")
    assert s3.get_object(Bucket=BUCKET, Key="2024/a.jpg")["Body"].read() == changed


class RefusesOne:
    """An S3 client that rejects one key."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.get_paginator = s3.get_paginator

    def put_object(self, **given: Any) -> None:
        if given["Key"].endswith("a.jpg"):
            output = {"Error": {"Code": "KeyTooLongError", "Message": "Your key is too long."}}
            raise ClientError(output, "PutObject")
        self._s3.put_object(**given)


def test_a_failed_file_is_named_and_the_others_are_uploaded(push, s3):
    complete, output = push(client=RefusesOne(s3))
    assert not complete
    assert output.splitlines() == ["failed a.jpg: Your key is too long", "2 uploaded, 1 failed"]
    assert len(keys(s3)) == 2


def test_a_missing_bucket_is_reported(push):
    with pytest.raises(UsageError, match=r"cannot list s3://nobodys/: .*does not exist"):
        push("s3://nobodys")


def test_a_missing_folder_is_reported_first(s3, tmp_path):
    with pytest.raises(UsageError, match="nowhere does not exist"):
        push_folder(tmp_path / "nowhere", S3Location(BUCKET, ""), s3, Console(file=io.StringIO()))


@pytest.mark.parametrize("text", ["photos", "s3:/photos", "s3://", "s3://Photos", "file://photos"])
def test_an_invalid_bucket_name_is_rejected(text):
    with pytest.raises(UsageError, match="is not a bucket"):
        s3_location(text)
