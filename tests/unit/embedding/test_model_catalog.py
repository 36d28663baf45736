"""Model catalog: entries match the manifest schema and name the sources of their files."""

from __future__ import annotations

import pytest

from imagesearch.domain.errors import NotFound
from imagesearch.embedding.manifest import FileEntry
from imagesearch.embedding.model_catalog import Pin, catalog_entries, catalog_entry

MODELS = catalog_entries()


def entries(model, digest="0" * 64):
    return {
        name: FileEntry(sha256=pin.sha256 or digest, bytes=pin.bytes or 1)
        for name, pin in model.pins.items()
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_catalog_entry_yields_a_valid_manifest(model):
    manifest = model.manifest_with(entries(model))
    assert manifest.text.image_space == manifest.image_space
    assert set(manifest.needs) == set(model.pins)
    assert all(pin.url.startswith("https://") for pin in model.pins.values())
    assert model.evidence


def test_the_documented_model_names_exist():
    names = ["clip-vit-b-16", "clip-vit-b-32", "clip-vit-b-32-fp32", "clip-vit-l-14"]
    assert [model.name for model in MODELS] == [*names, "multilingual-clip-vit-b-32"]


def test_pinned_files_name_a_commit():
    for model in MODELS:
        for name, pin in model.pins.items():
            assert name in model.unpinned or "/main/" not in pin.url


def test_the_multilingual_model_shares_the_image_space_of_clip():
    clip, many = catalog_entry("clip-vit-b-32"), catalog_entry("multilingual-clip-vit-b-32")
    space = clip.manifest_with(entries(clip)).image_space
    assert many.manifest["text"]["image_space"] == space
    assert many.pins["image.onnx"] == clip.pins["image.onnx"]


def test_exact_rewriting_keeps_the_space():
    clip = catalog_entry("clip-vit-b-32")
    files = entries(clip)
    rewritten = FileEntry(sha256="1" * 64, bytes=3, rewritten_from=files["image.onnx"].sha256)
    made = clip.manifest_with(files | {"image.onnx": rewritten})
    assert made.image_space == clip.manifest_with(files).image_space


def test_the_preprocessing_is_published_for_the_pinned_files_only():
    clip = catalog_entry("clip-vit-b-32")
    files = {name: FileEntry(sha256=pin.sha256, bytes=pin.bytes) for name, pin in clip.pins.items()}
    manifest = clip.manifest_with(files)
    assert clip.states_preprocessing_of(manifest)
    wrong = manifest.image.model_copy(update={"mean": (0.5, 0.5, 0.5)})
    assert not clip.states_preprocessing_of(manifest.model_copy(update={"image": wrong}))
    other = FileEntry(sha256="0" * 64, bytes=9)
    graph = manifest.image.graph
    assert not clip.states_preprocessing_of(clip.manifest_with(files | {graph: other}))
    rewritten = other.model_copy(update={"rewritten_from": files[graph].sha256})
    assert clip.states_preprocessing_of(clip.manifest_with(files | {graph: rewritten}))


def test_the_space_of_an_unpinned_model_follows_the_downloaded_files():
    model = catalog_entry("clip-vit-b-16")
    assert set(model.unpinned) == set(model.pins)
    one, other = (model.manifest_with(entries(model, digit * 64)) for digit in "12")
    assert one.image_space != other.image_space


def test_a_hash_without_a_size_pins_nothing():
    clip = catalog_entry("clip-vit-b-32")
    loose = Pin(url="https://example.org/x", sha256="0" * 64)
    assert clip.model_copy(update={"pins": {"x": loose}}).unpinned == ["x"]


def test_an_unknown_name_is_reported_with_the_known_names():
    with pytest.raises(NotFound, match="clop") as caught:
        catalog_entry("clop")
    assert "clip-vit-b-32" in caught.value.hint
