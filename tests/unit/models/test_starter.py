"""The shipped folder is what its manifest says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from models.evaluation.parity import LARGEST_FOLDER, RECALL_TARGETS
from models.evaluation.reference_pipeline import Embedder
from models.starter.build import PREPROCESS, image_space, write_manifest
from models.starter.sources import sha256

pytestmark = pytest.mark.slow


def test_every_file_has_the_hash_and_size_of_the_manifest(
    starter_folder: Path, manifest: dict[str, Any]
) -> None:
    for name, stated in manifest["files"].items():
        file = starter_folder / name
        assert stated == {"sha256": sha256(file), "bytes": file.stat().st_size}


def test_the_folder_fits_the_layer(starter_folder: Path) -> None:
    assert sum(file.stat().st_size for file in starter_folder.iterdir()) <= LARGEST_FOLDER


def test_the_licences_travel_with_the_model(starter_folder: Path) -> None:
    assert "TERMS AND CONDITIONS FOR USE" in (starter_folder / "LICENSE").read_text("utf-8")
    notice = (starter_folder / "NOTICE").read_text("utf-8")
    assert all(name in notice for name in ("EfficientNet-Lite2", "MiniLM", "WordNet", "MIT"))


def test_the_graphs_have_the_declared_inputs_and_outputs(
    starter: Embedder, manifest: dict[str, Any]
) -> None:
    image, text = manifest["image"], manifest["text"]
    (pixels,), (embeds,) = starter.image.get_inputs(), starter.image.get_outputs()
    assert (pixels.name, embeds.name) == (image["input"], image["output"])
    assert pixels.type == embeds.type == "tensor(float)"
    assert pixels.shape[1:] == [3, image["size"], image["size"]]
    assert embeds.shape[1:] == [manifest["dimension"]]
    names = [given.name for given in starter.text.get_inputs()]
    assert names == [text["input_ids"], text["attention_mask"]]
    assert [out.name for out in starter.text.get_outputs()] == [text["output"]]
    assert starter.text.get_outputs()[0].shape[1:] == [manifest["dimension"]]


def test_the_text_graph_takes_every_length_up_to_the_stated_one(
    starter: Embedder, manifest: dict[str, Any]
) -> None:
    for length in (1, 2, manifest["text"]["max_length"]):
        ids = np.full((3, length), 2000, np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        assert starter.text.run(None, feeds)[0].shape == (3, manifest["dimension"])


def test_the_tokenizer_neither_pads_nor_cuts(starter_folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(starter_folder / "tokenizer.json"))
    assert tokenizer.padding is None
    assert tokenizer.truncation is None
    assert tokenizer.encode("a red bicycle").ids == [101, 1037, 2417, 10165, 102]


def test_the_text_speaks_to_the_space_of_the_image_graph(
    starter_folder: Path, manifest: dict[str, Any]
) -> None:
    image = {key: value for key, value in manifest["image"].items() if key != "graph"}
    space = image_space(starter_folder / "image.onnx", image)
    assert manifest["text"]["image_space"] == space


def test_another_way_to_resize_is_another_space_and_another_quality_is_not(
    starter_folder: Path, manifest: dict[str, Any], tmp_path: Path
) -> None:
    for name in manifest["files"]:
        (tmp_path / name).symlink_to(starter_folder / name)

    def space_of(resize: str, quality: dict[str, object]) -> str:
        write_manifest(tmp_path, replace(PREPROCESS, resize=resize), quality)
        written = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
        return str(written["text"]["image_space"])

    same = space_of(PREPROCESS.resize, {"measured": "elsewhere"})
    assert same == manifest["text"]["image_space"]
    assert space_of("stretch", {}) != same


def test_the_manifest_carries_the_figures_and_the_command(manifest: dict[str, Any]) -> None:
    quality = manifest["quality"]
    assert quality["command"].startswith("python -m models.")
    for cut, target in RECALL_TARGETS.items():
        assert quality["text_to_image"][cut] >= target
