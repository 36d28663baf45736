"""Writes model folders: graphs, tokenizer and manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from imagesearch.embedding.manifest import MANIFEST, FileEntry, Manifest
from models.clip.weights import ClipShape
from models.starter.sources import sha256

TOKENIZER = "tokenizer.json"
PLACEHOLDER_SPACE = "0" * 16
# From https://github.com/openai/CLIP.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def write_manifest(folder: Path, about: Mapping[str, Any]) -> Manifest:
    """Write the manifest `about` with the sizes, hashes and image space of the actual files.

    A file with the hash of an entry in `about` keeps that entry, with its `rewritten_from`.
    """
    text = dict(about["text"]) | {"image_space": PLACEHOLDER_SPACE}
    draft = Manifest.model_validate(dict(about) | {"text": text, "files": {}})
    known = [FileEntry.model_validate(entry) for entry in about.get("files", {}).values()]
    by_hash = {entry.sha256: entry for entry in known}
    entries = {name: _entry(folder / name) for name in draft.needs}
    files = {name: by_hash.get(entry.sha256, entry) for name, entry in entries.items()}
    hashed = draft.model_copy(update={"files": files})
    fitting = draft.text.model_copy(update={"image_space": hashed.image_space})
    manifest = hashed.model_copy(update={"text": fitting})
    save_manifest(folder, manifest)
    return manifest


def save_manifest(folder: Path, manifest: Manifest) -> None:
    content = manifest.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def write_folder(
    folder: Path,
    about: Mapping[str, Any],
    *,
    image: onnx.ModelProto,
    text: onnx.ModelProto,
    tokenizer: Path,
) -> Manifest:
    """The graphs, a copy of the tokenizer, and the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(image, folder / about["image"]["graph"])
    onnx.save(text, folder / about["text"]["graph"])
    shutil.copyfile(tokenizer, folder / about["text"]["tokenizer"])
    return write_manifest(folder, about)


def clip_manifest(name: str, shape: ClipShape, details: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of a CLIP of this shape; `details` has description, license and source."""
    return {
        "name": name,
        "dimension": shape.dimension,
        "image": {
            "graph": "image.onnx",
            "input": "pixel_values",
            "output": "image_embeds",
            "size": shape.image_size,
            "resize": "crop",
            "resample": "bicubic",
            "mean": CLIP_MEAN,
            "std": CLIP_STD,
            "pad_color": (0, 0, 0),
        },
        "text": {
            "graph": "text.onnx",
            "input_ids": "input_ids",
            "attention_mask": None,
            "output": "text_embeds",
            "tokenizer": TOKENIZER,
            "max_length": shape.context,
            "pad_token_id": shape.vocabulary - 1,
        },
        **details,
    }


def _entry(path: Path) -> FileEntry:
    return FileEntry(sha256=sha256(path), bytes=path.stat().st_size)
