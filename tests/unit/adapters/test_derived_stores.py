"""Derived stores return stored data until it is deleted."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from imagesearch.adapters.filesystem.derived_store import FolderDerived
from imagesearch.adapters.s3.client import client_config
from imagesearch.adapters.s3.derived_store import S3Derived
from imagesearch.domain.errors import Unavailable

KEYS = {"aws_access_key_id": "an-id", "aws_secret_access_key": "a-secret"}
KEY = "thumbnails/-_id_-/0123.webp"


def s3_client() -> Any:
    return boto3.client("s3", "eu-west-1", config=client_config(), **KEYS)


@pytest.fixture
def s3():
    with mock_aws():
        client = s3_client()
        location = {"LocationConstraint": "eu-west-1"}
        client.create_bucket(Bucket="derived", CreateBucketConfiguration=location)
        yield client


@pytest.fixture(params=["folder", "s3", "s3 with prefix"])
def derived(request, tmp_path):
    if request.param == "folder":
        return FolderDerived(tmp_path / "made/later")
    s3 = request.getfixturevalue("s3")
    return S3Derived("s3://derived" if request.param == "s3" else "s3://derived/a/b/", s3)


def test_files_with_times_outside_the_calendar_are_listed(tmp_path):
    derived = FolderDerived(tmp_path)
    derived.put(KEY, b"one", "image/webp")
    os.utime(tmp_path / KEY, (0, 2**40))  # some file systems record the nearest time
    [(key, time)] = derived.list_keys("thumbnails/")
    assert (key, time.year > 2_200) == (KEY, True)


def test_stored_data_exists_until_deleted(derived):
    assert derived.get(KEY) is None
    derived.put(KEY, b"one", "image/webp")
    derived.put(KEY, b"another", "image/webp")
    assert derived.get(KEY) == b"another"
    derived.delete(KEY)
    derived.delete(KEY)
    assert derived.get(KEY) is None


def test_deleting_one_leaves_the_others(derived):
    derived.put(KEY, b"one", "image/webp")
    derived.put("thumbnails/-_id_-/4567.webp", b"two", "image/webp")
    derived.delete(KEY)
    assert derived.get("thumbnails/-_id_-/4567.webp") == b"two"


def test_keys_are_listed_in_order_below_a_prefix_and_after_a_key(derived):
    keys = [f"thumbnails/{id}/{name}.webp" for id in ("-a", "B", "_", "b") for name in "12"]
    for key in (*keys, "uploads/1"):
        derived.put(key, b"one", "image/webp")
    listed = dict(derived.list_keys("thumbnails/"))
    assert list(listed) == sorted(keys)
    assert all(abs(datetime.now(UTC) - written) < timedelta(days=1) for written in listed.values())
    assert [key for key, _ in derived.list_keys("thumbnails/", keys[2])] == sorted(keys)[3:]


def test_a_url_ends_with_the_key(derived):
    assert unquote(urlsplit(derived.url(KEY)).path).endswith(KEY)


def test_deletion_leaves_no_file_in_the_folder(tmp_path):
    derived = FolderDerived(tmp_path)
    derived.put(KEY, b"one", "image/webp")
    derived.delete(KEY)
    assert [path for path in tmp_path.rglob("*") if path.name == "-_id_-"] == []


@pytest.mark.parametrize("act", ["put", "get", "delete"])
def test_a_folder_that_cannot_be_used_is_unavailable(act, tmp_path):
    (tmp_path / KEY).mkdir(parents=True)
    (tmp_path / KEY / "in the way").touch()
    calls = {"put": (KEY, b"data", "image/webp"), "get": (KEY,), "delete": (KEY,)}
    with pytest.raises(Unavailable, match=KEY):
        getattr(FolderDerived(tmp_path), act)(*calls[act])
    assert [path.name for path in Path(tmp_path / KEY).parent.iterdir()] == ["0123.webp"]


def test_objects_have_a_content_type_and_can_be_cached(s3):
    S3Derived("s3://derived", s3).put(KEY, b"one", "image/webp")
    found = s3.head_object(Bucket="derived", Key=KEY)
    assert found["ContentType"] == "image/webp"
    assert found["CacheControl"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("call", "operation"),
    [(("put", KEY, b"", "image/webp"), "put_object"), (("get", KEY), "get_object"),
     (("delete", KEY), "delete_object")],
)  # fmt: skip
def test_a_denied_operation_is_unavailable(call, operation):
    client = s3_client()
    with Stubber(client) as stub:
        stub.add_client_error(operation, "AccessDenied", http_status_code=403)
        name, *arguments = call
        with pytest.raises(Unavailable, match=f"s3://derived/{KEY}") as raised:
            getattr(S3Derived("s3://derived", client), name)(*arguments)
    assert "DERIVED_URI" in raised.value.hint
