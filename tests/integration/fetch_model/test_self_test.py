"""Claims: a model is tested after its download, and stored with the result or rejected."""

from pathlib import Path
from typing import Any

import pytest

from imagesearch import bootstrap
from imagesearch.adapters.s3.model_folder import S3ModelFolder
from imagesearch.downloads.model_store import put_calibration
from imagesearch.embedding.calibration_file import CALIBRATION
from imagesearch.embedding.manifest import MANIFEST
from tests.integration.fetch_model.conftest import BUCKET
from tests.support.models.self_tests import BACKGROUND, RecordingTest
from tests.support.models.tiny_model import FILES


@pytest.fixture
def self_test() -> RecordingTest:
    return RecordingTest()


@pytest.fixture(autouse=True)
def fresh() -> Any:
    for kept in (bootstrap.manifest_of, bootstrap.relevance_of, bootstrap.models._s3_model):
        kept.clear()


@pytest.fixture
def connected(aws: str, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def test_the_calibration_is_stored_with_the_model_and_used(
    cloudformation: Any, keys: Any, connected: None
) -> None:
    uri = cloudformation.ask("model-create")["PhysicalResourceId"]
    prefix = uri.removeprefix(f"s3://{BUCKET}/")
    assert keys() == sorted(
        f"{prefix}/{each}" for each in (*FILES, MANIFEST, CALIBRATION, BACKGROUND)
    )
    assert bootstrap.manifest_of(uri).relevance
    assert bootstrap.relevance_of(uri)


def test_a_model_without_a_calibration_is_used_without_relevance(
    cloudformation: Any, s3: Any, connected: None
) -> None:
    uri = cloudformation.ask("model-create")["PhysicalResourceId"]
    s3.delete_object(Bucket=BUCKET, Key=f"{uri.removeprefix(f's3://{BUCKET}/')}/{CALIBRATION}")
    assert bootstrap.manifest_of(uri).relevance is None
    assert bootstrap.relevance_of(uri) is None


def test_a_tested_model_is_not_tested_again(cloudformation: Any, self_test: RecordingTest) -> None:
    for _ in range(2):
        assert cloudformation.ask("model-create")["Status"] == "SUCCESS"
    assert self_test.runs == 1


def test_a_rejected_model_fails_the_deployment_with_the_reason_and_leaves_no_objects(
    cloudformation: Any, self_test: RecordingTest, keys: Any
) -> None:
    self_test.refusal = "clip finds the right sample photo first for 1 of 85 captions"
    answer = cloudformation.ask("model-create")
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == f"{self_test.refusal}. Set ModelName to another model."
    assert keys() == []


def test_a_model_in_use_is_kept_if_a_release_rejects_it(
    cloudformation: Any, self_test: RecordingTest, s3: Any, keys: Any
) -> None:
    uri = cloudformation.ask("model-create")["PhysicalResourceId"]
    prefix = uri.removeprefix(f"s3://{BUCKET}/")
    s3.delete_object(Bucket=BUCKET, Key=f"{prefix}/{CALIBRATION}")
    self_test.refusal = "it finds nothing"
    answer = cloudformation.ask("model-again", PhysicalResourceId=uri)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", uri)
    assert {f"{prefix}/{name}" for name in (*FILES, MANIFEST)} <= set(keys())


def test_an_unchanged_calibration_is_not_uploaded_again(
    cloudformation: Any, s3: Any, tmp_path: Path
) -> None:
    uri = cloudformation.ask("model-create")["PhysicalResourceId"]
    prefix = uri.removeprefix(f"s3://{BUCKET}/")
    for name in (MANIFEST, CALIBRATION, BACKGROUND):
        s3.download_file(BUCKET, f"{prefix}/{name}", str(tmp_path / name))
    before = s3.head_object(Bucket=BUCKET, Key=f"{prefix}/{CALIBRATION}")["LastModified"]
    put_calibration(tmp_path, S3ModelFolder(uri, s3))
    assert s3.head_object(Bucket=BUCKET, Key=f"{prefix}/{CALIBRATION}")["LastModified"] == before
