"""Signed uploads and deletions, in a bucket and in a folder."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from imagesearch.adapters.filesystem.bucket_changes import FolderChanges
from imagesearch.adapters.s3.bucket_changes import S3Changes
from imagesearch.adapters.s3.client import client_config
from imagesearch.domain.errors import InvalidQuery, Unavailable
from imagesearch.domain.images import ImageRef

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = {"aws_access_key_id": "an-id", "aws_secret_access_key": "a-secret"}


def s3_client() -> Any:
    return boto3.client("s3", "eu-west-1", config=client_config(), **KEYS)


def test_an_s3_form_fixes_key_type_size_and_metadata():
    form = S3Changes(s3_client()).upload_form(
        ImageRef("pictures", "a/b.jpg"), "image/jpeg", {"label": "cat"}, NOW
    )
    conditions = json.loads(base64.b64decode(form.fields["policy"]))["conditions"]
    for condition in (
        {"bucket": "pictures"},
        {"key": "a/b.jpg"},
        {"Content-Type": "image/jpeg"},
        {"x-amz-meta-label": "cat"},
        ["content-length-range", 1, 67_108_864],
    ):
        assert condition in conditions
    assert form.fields["Content-Type"] == "image/jpeg"
    assert form.fields["x-amz-meta-label"] == "cat"
    assert form.url.startswith("https://pictures.s3.eu-west-1.amazonaws.com")
    assert form.expires_at == NOW + timedelta(minutes=15)


def test_s3_objects_are_deleted_and_a_missing_one_is_not_an_error():
    with mock_aws():
        s3 = s3_client()
        s3.create_bucket(
            Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        s3.put_object(Bucket="pictures", Key="a.jpg", Body=b"data")
        for _ in range(2):
            S3Changes(s3).delete(ImageRef("pictures", "a.jpg"))
        assert "Contents" not in s3.list_objects_v2(Bucket="pictures")


def test_a_denied_deletion_in_s3_is_unavailable():
    client = s3_client()
    with Stubber(client) as stub:
        stub.add_client_error("delete_object", "AccessDenied", http_status_code=403)
        with pytest.raises(Unavailable, match=r"pictures/a\.jpg"):
            S3Changes(client).delete(ImageRef("pictures", "a.jpg"))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "pictures"
    made.mkdir()
    return made


@pytest.fixture
def changes(folder, tmp_path) -> FolderChanges:
    return FolderChanges(folder, tmp_path / "data")


@pytest.fixture
def form(changes, folder):
    return changes.upload_form(ImageRef(folder.as_uri(), "a/b.jpg"), "image/jpeg", {}, NOW)


def test_a_folder_form_is_accepted_unmodified_until_it_expires(changes, form):
    assert changes.permitted(form.fields, NOW)
    assert changes.permitted({**form.fields, "more": "is of no interest"}, form.expires_at)
    assert not changes.permitted(form.fields, form.expires_at + timedelta(seconds=1))


@pytest.mark.parametrize("field", ["key", "Content-Type", "policy", "signature"])
@pytest.mark.parametrize("change", [None, "", "other", "日本"])
def test_a_modified_folder_form_is_rejected(changes, form, field, change):
    fields = {name: value for name, value in form.fields.items() if name != field}
    assert not changes.permitted(fields if change is None else fields | {field: change}, NOW)


def test_the_signature_of_another_server_is_rejected(form, folder, tmp_path):
    assert not FolderChanges(folder, tmp_path / "other").permitted(form.fields, NOW)


def test_a_form_is_valid_after_a_restart_of_the_server(form, folder, tmp_path):
    assert FolderChanges(folder, tmp_path / "data").permitted(form.fields, NOW)


def test_the_secret_is_readable_by_the_owner_only(form, tmp_path):
    assert (tmp_path / "data/upload-secret").stat().st_mode & 0o077 == 0


def test_a_folder_stores_no_metadata(changes, folder):
    with pytest.raises(InvalidQuery, match="metadata"):
        changes.upload_form(ImageRef(folder.as_uri(), "a.jpg"), "image/jpeg", {"a": "b"}, NOW)


def test_a_deleted_file_is_moved_out_of_the_folder_and_kept(changes, folder, tmp_path):
    (folder / "a.jpg").write_bytes(b"data")
    for _ in range(2):
        changes.delete(ImageRef(folder.as_uri(), "a.jpg"))
    assert list(folder.iterdir()) == []
    [kept] = (tmp_path / "data/deleted").iterdir()
    assert (kept.read_bytes(), kept.name[-6:]) == (b"data", "-a.jpg"[-6:])


@pytest.mark.parametrize("key", ["../secret", ".hidden", "", "folder", "gone.jpg"])
def test_hidden_and_missing_files_are_not_deleted(changes, folder, key):
    (folder / "folder").mkdir()
    (folder / ".hidden").touch()
    (folder.parent / "secret").touch()
    changes.delete(ImageRef(folder.as_uri(), key))
    assert (folder / "folder").is_dir()
    assert (folder / ".hidden").exists()
    assert (folder.parent / "secret").exists()


def test_an_object_is_put_into_s3_with_its_type_and_metadata():
    with mock_aws():
        s3 = s3_client()
        s3.create_bucket(
            Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        put = ImageRef("pictures", "a/b.png")
        S3Changes(s3).put(put, b"data", "image/png", {"label": "cat"})
        found = s3.get_object(Bucket="pictures", Key="a/b.png")
        assert (found["Body"].read(), found["ContentType"]) == (b"data", "image/png")
        assert found["Metadata"] == {"label": "cat"}


def test_a_denied_upload_to_s3_is_unavailable():
    client = s3_client()
    with Stubber(client) as stub:
        stub.add_client_error("put_object", "AccessDenied", http_status_code=403)
        with pytest.raises(Unavailable, match="upload to"):
            S3Changes(client).put(ImageRef("pictures", "a.png"), b"x", "image/png", {})


def test_a_file_is_written_atomically_and_leaves_no_temporary_file(tmp_path):
    folder = tmp_path / "pictures"
    changes = FolderChanges(folder, tmp_path / "data")
    changes.put(ImageRef("pictures", "a/b.png"), b"data", "image/png", {})
    assert [path.name for path in (folder / "a").iterdir()] == ["b.png"]
    assert (folder / "a/b.png").read_bytes() == b"data"
    with pytest.raises(InvalidQuery):
        changes.put(ImageRef("pictures", "c.png"), b"data", "image/png", {"label": "cat"})


@pytest.mark.parametrize("key", ["../out.png", ".hidden/a.png", "file/a.png"])
def test_a_file_that_cannot_be_written_is_unavailable(tmp_path, key):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "file").touch()
    with pytest.raises(Unavailable):
        FolderChanges(folder, tmp_path / "data").put(
            ImageRef("pictures", key), b"data", "image/png", {}
        )
    assert [path.name for path in tmp_path.rglob("*.png")] == []
