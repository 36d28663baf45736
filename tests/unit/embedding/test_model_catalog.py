"""Model catalog: entries match the manifest schema and name the sources of their files."""

from __future__ import annotations

import json
import re

import pytest

from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.embedding.manifest import MULTILINGUAL, FileEntry, Quantized
from imagesearch.embedding.model_catalog import CATALOG, catalog_entries, catalog_entry

MODELS = catalog_entries()
# Of the first release of each; a change would require that users index their images again.
SPACES = {
    "clip-vit-b-32": ("e9798c4aa517e41a", "b5256b45f8b87bee"),
    "clip-vit-b-32-datacomp": ("162e38befc389d08", "7c1335d452137054"),
    "clip-vit-b-32-fp32": ("1fc41d7fcfac1221", "cffa315799a7b657"),
    "multilingual-clip-vit-b-32": ("e9798c4aa517e41a", "07fb37925757e485"),
    "siglip2-b-16": ("06f57a542e7e68e7", "5d9ea88bf29cd802"),
}


def entries(model):
    """The files of the installed model."""
    files = {}
    for name, pin in model.pins.items():
        files[name] = FileEntry(sha256=pin.sha256, bytes=pin.bytes)
        if model.quantization and name in model.graphs:
            quantized = Quantized(sha256=pin.sha256, method=model.quantization)
            files[name] = FileEntry(sha256="1" * 64, bytes=1, quantized=quantized)
    return files


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_catalog_entry_yields_a_valid_manifest(model):
    manifest = model.manifest_with(entries(model))
    assert manifest.text.image_space == manifest.image_space
    assert set(manifest.needs) == set(model.pins)
    assert all(entry.origin == model.origin(name) for name, entry in manifest.files.items())
    assert (manifest.image_space, manifest.label_space) == SPACES[model.name]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_catalog_entry_states_the_facts_that_a_choice_depends_on(model):
    assert model.license.startswith(("MIT", "Apache-2.0"))
    assert model.languages in {("en",), (MULTILINGUAL,)}
    assert model.published
    assert model.good_for
    assert model.evidence
    assert model.bytes > 100_000_000


def test_every_file_is_pinned_to_a_commit_with_size_and_hash():
    for pin in (pin for model in MODELS for pin in model.pins.values()):
        assert re.fullmatch(r"https://[^?]+/resolve/[0-9a-f]{40}/[^?]+", pin.url)
        assert pin.bytes > 0
        assert len(pin.sha256) == 64


def test_a_model_is_compared_with_the_float32_model_of_the_same_weights_only():
    assert {model.name: model.quantized_from for model in MODELS if model.quantized_from} == {
        "clip-vit-b-32": "clip-vit-b-32-fp32"
    }


def test_the_documented_model_names_exist():
    assert [model.name for model in MODELS] == list(SPACES)


def test_texts_of_the_models_with_a_fixed_length_are_padded_as_in_training():
    found = {
        model.name: (model.manifest["text"]["max_length"], model.manifest["text"]["pad_token_id"])
        for model in MODELS
        if model.manifest["text"].get("length") == "fixed"
    }
    assert found == {"clip-vit-b-32-datacomp": (77, 0), "siglip2-b-16": (64, 0)}


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


def test_the_space_of_a_quantized_model_is_the_same_on_every_machine():
    model = catalog_entry("clip-vit-b-32-datacomp")
    files = entries(model)
    other = files["image.onnx"].model_copy(update={"sha256": "2" * 64, "bytes": 2})
    spaces = {
        model.manifest_with(files | changed).image_space for changed in ({}, {"image.onnx": other})
    }
    float32 = FileEntry(sha256=model.pins["image.onnx"].sha256, bytes=1)
    assert len(spaces) == 1
    assert model.manifest_with(files | {"image.onnx": float32}).image_space not in spaces


def test_an_unknown_name_is_reported_with_the_known_names():
    with pytest.raises(NotFound, match="clop") as caught:
        catalog_entry("clop")
    assert "clip-vit-b-32" in caught.value.hint


VALID = json.loads((CATALOG / "clip-vit-b-32.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Invalid JSON"),
        ("[]", "the file: "),
        (b"\xff", "Invalid JSON"),
        (VALID | {"pins": {}}, "image.onnx"),
        (VALID | {"manifest": {**VALID["manifest"], "license": None}}, "license"),
        (VALID | {"manifest": {**VALID["manifest"], "text": {}}}, "text"),
        (VALID | {"manifest": {}}, "name"),
        (
            VALID
            | {
                "manifest": {
                    **VALID["manifest"],
                    "classify": {"templates": ["{}"]},
                    "logit_scale": None,
                }
            },
            "temperature",
        ),
    ],
)
def test_an_invalid_entry_is_an_error_that_names_its_file(content, reason, tmp_path):
    path = tmp_path / "mine.json"
    data = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(ConfigurationError, match=r"mine\.json") as raised:
        catalog_entries(tmp_path)
    assert reason in raised.value.message
    assert "\n" not in raised.value.message
