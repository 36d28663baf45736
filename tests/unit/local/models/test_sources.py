"""A mirror or a folder replaces the publishers of models; hashes stay those of the catalog."""

import hashlib
from pathlib import Path

import pytest

from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.downloads.model_source import PUBLISHERS, ModelSource
from imagesearch.embedding.model_catalog import Pin
from local.models.puller import Puller
from local.models.sources import (
    CATALOG,
    SOURCE,
    catalog_entries,
    catalog_entry,
    copy_file,
    model_source,
)

NAME = "clip-vit-b-32"


@pytest.mark.parametrize("base", ["https://mirror.test/models", "http://127.0.0.1:9/models/"])
def test_a_url_replaces_the_publishers_and_no_hash(base: str) -> None:
    source, own = model_source(base), catalog_entry(NAME, {})
    assert isinstance(source, ModelSource)
    mirrored = source.entry(own)
    for name, pin in own.pins.items():
        other = mirrored.pins[name]
        assert other.url == f"{base.rstrip('/')}/{NAME}/{name}"
        assert (other.sha256, other.bytes) == (pin.sha256, pin.bytes)
    assert mirrored.version == own.version


def test_without_variables_the_models_are_those_of_the_package_and_its_publishers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(SOURCE, raising=False)
    assert NAME in [each.name for each in catalog_entries({})]
    assert model_source() == PUBLISHERS


def test_the_variable_names_a_folder_or_a_url(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(SOURCE, str(tmp_path))
    assert model_source() == tmp_path
    assert model_source("https://mirror.test/x") == ModelSource("https://mirror.test/x")
    with pytest.raises(ConfigurationError, match="not a source of models"):
        model_source("ftp://mirror.test/x")


def test_a_catalog_folder_replaces_the_catalog(tmp_path: Path) -> None:
    text = catalog_entry(NAME, {}).model_dump_json().replace(NAME, "own")
    (tmp_path / "own.json").write_text(text)
    environ = {CATALOG: str(tmp_path)}
    assert [each.name for each in catalog_entries(environ)] == ["own"]
    with pytest.raises(NotFound):
        catalog_entry(NAME, environ)
    with pytest.raises(ConfigurationError, match="none is not a folder"):
        catalog_entries({CATALOG: str(tmp_path / "none")})


@pytest.fixture
def pin() -> Pin:
    data = b"a tokenizer"
    return Pin(
        url="https://hub.invalid/x", bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
    )


def test_a_file_of_a_source_folder_is_copied_if_it_has_the_pinned_hash(
    tmp_path: Path, pin: Pin
) -> None:
    (tmp_path / "x").write_bytes(b"a tokenizer")
    copy_file(tmp_path, "x", pin, tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == b"a tokenizer"


def test_a_wrong_or_missing_file_of_a_source_folder_is_not_installed(
    tmp_path: Path, pin: Pin
) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        copy_file(tmp_path, "x", pin, tmp_path / "y")
    (tmp_path / "x").write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="instead of"):
        copy_file(tmp_path, "x", pin, tmp_path / "y")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x"]


def test_a_pull_reads_the_source_folder(tmp_path: Path) -> None:
    entry = catalog_entry(NAME, {})
    pins = {}
    for name in entry.pins:
        path = tmp_path / "hub" / NAME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        pins[name] = Pin(url="https://hub.invalid/x", bytes=len(name), sha256=digest)
    entry = entry.model_copy(update={"pins": pins})
    puller = Puller(tmp_path / "cache", signed_is_fast=lambda: False, source=tmp_path / "hub")
    folder = puller.pull(entry)
    assert {path.name for path in folder.iterdir()} == {*pins, "manifest.json"}
