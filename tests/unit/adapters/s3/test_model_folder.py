"""Files of a model in S3 are downloaded on first use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from imagesearch.adapters.s3.model_folder import S3ModelFolder
from imagesearch.domain.errors import ConfigurationError


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        client.create_bucket(Bucket="models")
        client.put_object(Bucket="models", Key="clip/v1/manifest.json", Body=b"{}")
        client.put_object(Bucket="models", Key="clip/v1/image.onnx", Body=b"graph")
        yield client


def test_only_the_requested_files_are_downloaded(s3: Any, tmp_path: Path) -> None:
    S3ModelFolder("s3://models/clip/v1/", s3).download(["image.onnx"], tmp_path)
    assert (tmp_path / "image.onnx").read_bytes() == b"graph"
    assert [file.name for file in tmp_path.iterdir()] == ["image.onnx"]


@pytest.mark.parametrize("uri", ["s3://", "s3:///clip", "s3://Bad_Bucket!/x", "s3:/models/x"])
def test_an_invalid_uri_is_an_error_of_one_line(uri: str, s3: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a model folder in S3") as found:
        S3ModelFolder(uri, s3)
    assert "\n" not in found.value.message


def test_a_file_is_downloaded_once(s3: Any, tmp_path: Path) -> None:
    model = S3ModelFolder("s3://models/clip/v1", s3)
    model.download(["image.onnx"], tmp_path)
    s3.delete_object(Bucket="models", Key="clip/v1/image.onnx")
    model.download(["image.onnx"], tmp_path)
    assert (tmp_path / "image.onnx").read_bytes() == b"graph"


def test_a_missing_file_is_named_and_leaves_no_partial_file(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"s3://models/clip/v1/text\.onnx"):
        S3ModelFolder("s3://models/clip/v1", s3).download(["text.onnx"], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["download", "keys"])
def test_missing_credentials_are_told_with_the_variable_that_names_them(
    method: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = boto3.Session().client("s3", "us-east-1")
    arguments = (["image.onnx"], tmp_path) if method == "download" else ()
    with pytest.raises(ConfigurationError) as raised:
        getattr(S3ModelFolder("s3://models/clip", client), method)(*arguments)
    assert "AWS_PROFILE" in raised.value.hint
