"""Claims: a model is stored complete and verified, downloaded once, loaded, and deleted cleanly."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import pytest

from imagesearch import bootstrap
from imagesearch.adapters.s3.model_folder import S3ModelFolder
from imagesearch.domain.queries import Search, TextQuery
from imagesearch.embedding.manifest import MANIFEST, Manifest, load_manifest
from imagesearch.embedding.model_catalog import Pin
from imagesearch.settings import Settings
from local.models.installed import check_files
from tests.conftest import STARTER_MODEL
from tests.integration.fetch_model.conftest import BUCKET
from tests.support.models.tiny_model import FILES


@pytest.fixture
def pulled(s3: Any, tmp_path: Path) -> Any:
    """Loads a model by its URI as a function does, and verifies all hashes."""

    def pulled(uri: str) -> Manifest:
        S3ModelFolder(uri, s3).download([*FILES, MANIFEST], tmp_path)
        return check_files(tmp_path)

    return pulled


def test_a_requested_model_can_be_loaded_from_its_uri(cloudformation, pulled, keys):
    answer = cloudformation.ask("model-create")
    assert answer["Status"] == "SUCCESS"
    uri = answer["PhysicalResourceId"]
    assert uri.startswith(f"s3://{BUCKET}/model/clip-vit-b-32/")
    assert pulled(uri).name == "clip-vit-b-32"
    prefix = uri.removeprefix(f"s3://{BUCKET}/")
    assert keys() == sorted(f"{prefix}/{name}" for name in (*FILES, MANIFEST))


def test_unsigned_weights_are_converted_once_and_both_hashes_are_stored(
    cloudformation, pulled, models
):
    uri = cloudformation.ask("model-create")["PhysicalResourceId"]
    cloudformation.ask("model-again", PhysicalResourceId=uri)
    entry = pulled(uri).files["image.onnx"]
    assert entry.rewritten_from == models["clip-vit-b-32"].pins["image.onnx"].sha256
    assert entry.sha256 != entry.rewritten_from


@pytest.mark.parametrize("again", ["model-create", "model-again"])
def test_a_stored_model_is_not_downloaded_again(cloudformation, hub, s3, keys, again):
    first = cloudformation.ask("model-create")
    requests_before, times = len(hub.requests), changed(s3)
    second = cloudformation.ask(again, PhysicalResourceId=first["PhysicalResourceId"])
    assert second["Status"] == "SUCCESS"
    assert second["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert len(hub.requests) == requests_before == len(FILES)
    assert changed(s3) == times


def changed(s3: Any) -> dict[str, Any]:
    found = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    return {each["Key"]: (each["ETag"], each["LastModified"]) for each in found}


@pytest.mark.parametrize("name", FILES)
def test_only_missing_or_different_files_are_downloaded(cloudformation, hub, s3, pulled, name):
    uri = cloudformation.ask("model-create")["PhysicalResourceId"]
    key = f"{uri.removeprefix(f's3://{BUCKET}/')}/{name}"
    s3.delete_object(Bucket=BUCKET, Key=key)
    for _ in range(2):
        hub.requests.clear()
        cloudformation.ask("model-again", PhysicalResourceId=uri)
        assert [path for path, _ in hub.requests] == [f"/{name}"]
        assert pulled(uri)
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"changed")


def test_another_model_has_its_own_uri_and_the_old_one_remains_until_deleted(
    cloudformation, pulled, keys
):
    old = cloudformation.ask("model-create")["PhysicalResourceId"]
    new = cloudformation.ask("model-update", PhysicalResourceId=old)["PhysicalResourceId"]
    assert new.startswith(f"s3://{BUCKET}/model/multilingual-clip-vit-b-32/")
    assert len(keys()) == 2 * (len(FILES) + 1)
    assert cloudformation.ask("model-delete", PhysicalResourceId=old)["Status"] == "SUCCESS"
    assert pulled(new).name == "multilingual-clip-vit-b-32"
    assert len(keys()) == len(FILES) + 1


def test_a_model_with_new_hashes_has_another_uri(cloudformation, hub, models):
    old = cloudformation.ask("model-create")["PhysicalResourceId"]
    hub.files["/text.onnx"] = b"other text"
    model = models["clip-vit-b-32"]
    pin = model.pins["text.onnx"]
    digest = hashlib.sha256(b"other text").hexdigest()
    other = Pin(url=pin.url, bytes=10, sha256=digest)
    models["clip-vit-b-32"] = model.model_copy(update={"pins": model.pins | {"text.onnx": other}})
    new = cloudformation.ask("model-again", PhysicalResourceId=old)
    assert new["Status"] == "SUCCESS"
    assert new["PhysicalResourceId"] != old


def test_the_next_model_has_its_own_prefix(cloudformation, keys):
    """The current model remains when the next one is promoted and deleted."""
    current = cloudformation.ask("model-create")["PhysicalResourceId"]
    part = {"Part": "next-model"}
    after = cloudformation.ask("model-create", properties=part)["PhysicalResourceId"]
    assert after != current
    cloudformation.ask("model-delete", PhysicalResourceId=after, properties=part)
    assert len(keys()) == len(FILES) + 1
    assert all(key.startswith("model/") for key in keys())


def test_a_lost_connection_resumes_the_download(cloudformation, hub, pulled):
    hub.cuts = [100]
    answer = cloudformation.ask("model-create")
    assert answer["Status"] == "SUCCESS"
    assert pulled(answer["PhysicalResourceId"])
    assert len(hub.requests) == len(FILES) + 1


def test_a_bucket_can_be_deleted_after_its_model(cloudformation, s3, keys):
    made = cloudformation.ask("model-create")["PhysicalResourceId"]
    assert cloudformation.ask("model-delete", PhysicalResourceId=made)["Status"] == "SUCCESS"
    assert keys() == []
    s3.delete_bucket(Bucket=BUCKET)


def test_other_objects_are_not_deleted(cloudformation, s3, keys):
    made = cloudformation.ask("model-create")["PhysicalResourceId"]
    prefix = made.removeprefix(f"s3://{BUCKET}/")
    others = [f"{prefix}-other/x", "model/y", "z"]
    for key in others:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    cloudformation.ask("model-delete", PhysicalResourceId=made)
    assert keys() == sorted(others)


@pytest.mark.parametrize(
    "id",
    [
        "Model-was-not-made",
        "something",
        "s3://somebody-elses/model/clip/1",
        f"s3://{BUCKET}/next-model/clip/1",
        f"s3://{BUCKET}/model/",
        f"s3://{BUCKET}/model/clip",
        f"s3://{BUCKET}/model/clip/",
        f"s3://{BUCKET}/model//1",
        f"s3://{BUCKET}/",
    ],
)
def test_deleting_an_unknown_resource_id_deletes_no_object(cloudformation, s3, keys, id):
    theirs = ["model/clip/2/x", "next-model/clip/1/x", "x"]
    for key in theirs:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    answer = cloudformation.ask("model-delete", PhysicalResourceId=id)
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == id
    assert keys() == sorted(theirs)


def test_deletion_succeeds_without_the_bucket(cloudformation, s3):
    s3.delete_bucket(Bucket=BUCKET)
    assert cloudformation.ask("model-delete")["Status"] == "SUCCESS"


def test_a_request_with_invalid_properties_can_be_deleted(cloudformation):
    """A stack that failed on a missing property can be deleted."""
    failed = cloudformation.ask("model-create", ResourceProperties={})
    assert failed["Status"] == "FAILED"
    id = failed["PhysicalResourceId"]
    deleted = cloudformation.ask("model-delete", PhysicalResourceId=id, ResourceProperties={})
    assert deleted["Status"] == "SUCCESS"


KEPT = (
    bootstrap.manifest_of,
    bootstrap.image_encoder,
    bootstrap.text_encoder,
    bootstrap.models._s3_model,
    bootstrap.image_store,
    bootstrap.vector_index,
)


@pytest.fixture
def settings(aws, s3, tmp_path, monkeypatch) -> Settings:
    """Settings of a function with its model in S3 and an empty disk."""
    for name in (MANIFEST, *load_manifest(STARTER_MODEL).files):
        s3.upload_file(str(STARTER_MODEL / name), BUCKET, f"model/starter/1/{name}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "disk"))
    return Settings(
        bucket="photos",
        index_url=f"sqlite://{tmp_path}/index.db",
        model_uri=f"s3://{BUCKET}/model/starter/1",
    )


@pytest.fixture(autouse=True)
def fresh():
    """Clears the caches of bootstrap, as in a new process."""
    for kept in KEPT:
        kept.clear()
    yield
    for kept in KEPT:
        kept.clear()


def fetched(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("disk/model-*/*")}


def test_a_function_that_indexes_loads_only_the_image_tower(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "index")
    bootstrap.warm_up(settings, texts=False)
    assert fetched(tmp_path) == {MANIFEST, "image.onnx"}
    bootstrap.image_encoder(settings.model_uri).close()


def test_a_function_that_searches_loads_both_towers(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "search")
    bootstrap.warm_up(settings, texts=True)
    assert fetched(tmp_path) >= {MANIFEST, "image.onnx", "text.onnx", "tokenizer.json"}
    bootstrap.image_encoder(settings.model_uri).close()


def test_a_text_search_loads_no_image_tower(settings, tmp_path):
    bootstrap.searcher(settings).search(Search(TextQuery("an owl")))
    assert "text.onnx" in fetched(tmp_path)
    assert "image.onnx" not in fetched(tmp_path)


def test_outside_lambda_nothing_is_loaded_in_advance(settings, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    bootstrap.warm_up(settings, texts=True)
    assert fetched(tmp_path) == set()
