"""Claims: the functions find their model in S3 when they start, and fetch of it what they need."""

import tempfile
from pathlib import Path

import pytest

from imagesearch import bootstrap
from imagesearch.embedding.manifest import MANIFEST, load_manifest
from imagesearch.settings import Settings
from tests.conftest import STARTER_MODEL
from tests.integration.fetch_model.conftest import BUCKET

KEPT = (
    bootstrap.manifest_of,
    bootstrap.image_encoder,
    bootstrap.text_encoder,
    bootstrap._s3_model,
    bootstrap.image_store,
    bootstrap.vector_index,
)


@pytest.fixture
def settings(aws, s3, tmp_path, monkeypatch) -> Settings:
    """A function's, whose model is in S3 and whose disk is empty."""
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
    """As in a new process: nothing is kept from another test, or for one."""
    for kept in KEPT:
        kept.cache_clear()
    yield
    for kept in KEPT:
        kept.cache_clear()


def fetched(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("disk/model-*/*")}


def test_indexing_fetches_the_image_side_alone(settings, tmp_path):
    bootstrap.indexer(settings)
    assert fetched(tmp_path) == {MANIFEST, "image.onnx"}


def test_a_search_has_both_sides(settings, tmp_path):
    bootstrap.searcher(settings)
    assert fetched(tmp_path) >= {MANIFEST, "image.onnx", "text.onnx", "tokenizer.json"}
