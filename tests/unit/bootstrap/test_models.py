"""A model for English recommends a multilingual one, as its manifest or the catalog says."""

import json
from pathlib import Path

import pytest

from imagesearch import bootstrap
from imagesearch.domain.queries import TextQuery
from imagesearch.embedding.manifest import MANIFEST, FileEntry
from imagesearch.embedding.model_catalog import catalog_entry
from tests.conftest import STARTER_MODEL


def installed(name: str, folder: Path) -> str:
    """The URI of a folder with the manifest of a model of the catalog."""
    entry = catalog_entry(name)
    files = {
        each: FileEntry(sha256=pin.sha256 or "", bytes=pin.bytes or 0)
        for each, pin in entry.pins.items()
    }
    (folder / MANIFEST).write_text(entry.manifest_with(files).as_text())
    return str(folder)


@pytest.mark.parametrize(
    ("name", "same_index"), [("clip-vit-b-32", "searches the same index"), ("starter", "its own")]
)
def test_a_model_for_english_recommends_a_multilingual_one_of_the_catalog(
    name, same_index, tmp_path
):
    uri = str(STARTER_MODEL) if name == "starter" else installed(name, tmp_path)
    notices = bootstrap.language_notices(uri)
    assert notices.notice(TextQuery("a red bicycle")) is None
    notice = notices.notice(TextQuery("красный велосипед"))
    assert f"the model {name} understands English only. The model " in notice
    assert same_index in notice
    if name != "starter":
        assert "multilingual-clip-vit-b-32" in notice


@pytest.mark.parametrize("languages", [["multilingual"], ["en", "de"], None])
def test_a_multilingual_model_has_no_notices(languages, tmp_path):
    """Also with a manifest of an earlier version, which does not name the languages."""
    uri = installed("multilingual-clip-vit-b-32", tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest.pop("languages") == ["multilingual"]
    named = {"languages": languages} if languages else {}
    (tmp_path / MANIFEST).write_text(json.dumps(manifest | named))
    assert bootstrap.language_notices(uri) is None
