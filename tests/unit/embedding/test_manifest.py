"""Manifest: invalid manifests and files are errors that name the cause."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagesearch.classification.prompts import Prompts
from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.manifest import FileEntry, load_manifest, load_verified, verify_file
from tests.support.paths import REPOSITORY
from tests.support.waiting import eventually

ROOT = REPOSITORY
STARTER = ROOT / "layers" / "starter_model" / "starter_model"


@pytest.fixture
def changed(model_copy):
    """Loads the manifest after setting one value: changed("text/max_length", 8)."""

    def change(field, value):
        manifest = json.loads((model_copy / "manifest.json").read_text())
        *parents, last = field.split("/")
        part = manifest
        for name in parents:
            part = part[name]
        part[last] = value
        (model_copy / "manifest.json").write_text(json.dumps(manifest))
        return load_manifest(model_copy)

    return change


def test_the_builder_computes_the_same_image_space(tiny_model):
    manifest = load_manifest(tiny_model)
    assert manifest.image_space == manifest.text.image_space
    assert len(manifest.image_space) == 16


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "other"), ("description", "other"), ("license", "other"), ("source", "other"),
     ("quality", {"recall": 0.5}), ("languages", ["en", "pt-BR"]), ("logit_scale", 50),
     ("classify", {"templates": ["{}"], "temperature": 1}),
     ("text/max_length", 9), ("text/pad_token_id", 1),
     ("files/text.onnx/sha256", "0" * 64)],
)  # fmt: skip
def test_values_without_effect_on_image_vectors_keep_the_space(field, value, changed, manifest):
    assert changed(field, value).image_space == manifest.image_space


@pytest.mark.parametrize(
    ("field", "value"),
    [("dimension", 5), ("image/size", 64), ("image/resize", "crop"), ("image/mean", [0, 0, 0.1]),
     ("image/resample", "bilinear"), ("image/std", [1, 1, 2]), ("image/pad_color", [0, 0, 0]),
     ("image/input", "x"), ("image/output", "x"), ("files/image.onnx/sha256", "0" * 64)],
)  # fmt: skip
def test_values_that_affect_image_vectors_require_another_text_tower(field, value, changed):
    with pytest.raises(ConfigurationError, match="text tower requires the image space"):
        changed(field, value)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [("image/size", 0, "image.size"), ("image/resize", "zoom", "image.resize"),
     ("image/std", [0, 1, 1], "image.std"), ("image/pad_color", [0, 0, 256], "image.pad_color"),
     ("image/graph", "../image.onnx", "image.graph"), ("text/tokenizer", "/etc/x", "tokenizer"),
     ("text/attention_mask", 3, "attention_mask"), ("dimension", "many", "dimension"),
     ("image/sizes", 3, "image.sizes"), ("files/text.onnx/bytes", -1, "files.text.onnx.bytes"),
     ("text/length", "short", "text.length"), ("text/clean", "upper", "text.clean"),
     ("text/pooling", "max", "text.pooling"), ("text/attention_mask", "input_ids", "are both"),
     ("languages", ["English"], "languages"), ("languages", ["multilingual", "en"], "excludes en"),
     ("logit_scale", 0, "logit_scale"), ("logit_scale", float("inf"), "logit_scale"),
     ("files/text.onnx/quantized", {"sha256": "0" * 64, "method": "3 bits"}, "quantized.method"),
     ("files/text.onnx", {"sha256": "0" * 64, "bytes": 1, "rewritten_from": "0" * 64,
      "quantized": {"sha256": "0" * 64, "method": "rows"}}, "either rewritten or quantized"),
     ("image/graph", "absent.onnx", "absent.onnx")],
)  # fmt: skip
def test_an_invalid_value_is_named(field, value, named, changed):
    with pytest.raises(ConfigurationError, match=named) as caught:
        changed(field, value)
    assert "manifest.json" in caught.value.message
    assert caught.value.hint
    assert caught.value.code == "invalid_model"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"{}"])
def test_an_invalid_manifest_is_named(content, model_copy):
    (model_copy / "manifest.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"manifest\.json"):
        load_manifest(model_copy)


def test_a_folder_without_a_manifest_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        load_manifest(tmp_path / "absent")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [(lambda file: file.unlink(), "No such file"),
     (lambda file: file.write_bytes(b""), "0 bytes instead of"),
     (lambda file: file.write_bytes(file.read_bytes()[:-1]), "bytes instead of"),
     (lambda file: file.write_bytes(bytes(file.stat().st_size)), "SHA-256")],
)  # fmt: skip
def test_a_file_with_another_hash_is_not_loaded(spoil, expected, model_copy, manifest):
    spoil(model_copy / "image.onnx")
    with pytest.raises(ConfigurationError, match=expected) as caught:
        verify_file(model_copy, "image.onnx", manifest)
    assert str(model_copy / "image.onnx") in caught.value.message
    assert "download" in caught.value.hint


def test_a_file_is_loaded_while_its_hash_is_computed(model_copy, manifest):
    """A named pipe is opened by its reader and its writer at the same time, or by neither."""
    path = model_copy / "image.onnx"
    path.unlink()
    os.mkfifo(path)
    empty = FileEntry(sha256=hashlib.sha256().hexdigest(), bytes=0)
    stated = manifest.model_copy(update={"files": manifest.files | {path.name: empty}})
    with ThreadPoolExecutor(1) as thread:
        loaded = thread.submit(
            load_verified,
            model_copy,
            path.name,
            stated,
            lambda pipe: os.close(os.open(pipe, os.O_WRONLY)),
        )
        try:
            eventually("the file is loaded and verified", loaded.done)
        finally:
            pipe = os.open(path, os.O_RDWR)
            path.unlink()
            os.close(pipe)
        loaded.result()


def test_later_manifest_fields_keep_the_spaces_of_the_starter_model():
    starter = load_manifest(STARTER)
    assert starter.image_space == "b34668b07d69be72"
    assert starter.label_space == "c3d936736e14eff6"


def test_a_manifest_can_define_label_prompts(changed, manifest):
    assert manifest.prompts == Prompts()
    expected = {"templates": ["a drawing of {}"], "temperature": 0.5}
    assert changed("classify", expected).prompts == Prompts(("a drawing of {}",), 0.5)


def test_the_logit_scale_is_the_reciprocal_of_the_temperature_unless_one_is_stated(
    changed, manifest
):
    assert changed("logit_scale", 50).prompts == Prompts(temperature=0.02)
    assert changed("classify", {"templates": ["{}"]}).prompts == Prompts(("{}",), 0.02)
    stated = {"templates": ["{}"], "temperature": 0.5}
    assert changed("classify", stated).prompts == Prompts(("{}",), 0.5)


@pytest.mark.parametrize(
    "expected",
    [
        {"templates": [], "temperature": 1},
        {"templates": ["no place for it"], "temperature": 1},
        {"templates": ["{} and {}"], "temperature": 1},
        {"templates": ["{}"] * 5, "temperature": 1},
        {"templates": ["{}"], "temperature": 0},
        {"templates": ["{}"]},
    ],
)
def test_invalid_prompts_are_rejected(changed, expected):
    with pytest.raises(ConfigurationError, match="classify"):
        changed("classify", expected)


@pytest.mark.parametrize(
    ("field", "value"),
    [("text/max_length", 9), ("text/clean", "clip"), ("files/text.onnx/sha256", "0" * 64),
     ("files/tokenizer.json/sha256", "0" * 64),
     ("classify", {"templates": ["{}"], "temperature": 1})],
)  # fmt: skip
def test_values_that_affect_label_vectors_change_the_label_space(field, value, changed, manifest):
    assert changed(field, value).label_space != manifest.label_space


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "other"), ("quality", {"recall": 0.5}), ("logit_scale", 50), ("languages", ["en"]),
     ("classify", {"templates": ["a photo of a {}."], "temperature": 1})],
)  # fmt: skip
def test_values_without_effect_on_label_vectors_keep_the_label_space(
    field, value, changed, manifest
):
    assert changed(field, value).label_space == manifest.label_space
