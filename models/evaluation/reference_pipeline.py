"""Runs a model folder's two graphs on pictures and on texts, for measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from imagesearch.embedding.session import Session, open_session
from models.preprocess import Preprocess
from models.quantise import Floats

BATCH, MAX_TOKENS = 8, 128


def token_batch(tokenizer: Tokenizer, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """`input_ids`, `attention_mask` [N, longest of the batch], padded with 0."""
    rows = [tokenizer.encode(text).ids[:MAX_TOKENS] for text in texts]
    longest = max(map(len, rows))
    ids = np.array([row + [0] * (longest - len(row)) for row in rows], np.int64)
    mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], np.int64)
    return {"input_ids": ids, "attention_mask": mask}


@dataclass(frozen=True)
class Embedder:
    image: Session
    text: Session
    tokenizer: Tokenizer
    preprocess: Preprocess

    @classmethod
    def of_folder(cls, folder: Path, preprocess: Preprocess) -> Embedder:
        return cls(
            open_session(folder / "image.onnx"),
            open_session(folder / "text.onnx"),
            Tokenizer.from_file(str(folder / "tokenizer.json")),
            preprocess,
        )

    def images(self, pictures: Sequence[Image.Image], batch: int = BATCH) -> Floats:
        """[N, D]; one batch at a time is in memory."""
        parts = []
        for start in range(0, len(pictures), batch):
            pixels = [self.preprocess.pixel_values(p) for p in pictures[start : start + batch]]
            parts.append(self.image.run(["image_embeds"], {"pixel_values": np.stack(pixels)})[0])
        return np.concatenate(parts)

    def texts(self, texts: Sequence[str], batch: int = BATCH) -> Floats:
        """[N, D]."""
        parts = []
        for start in range(0, len(texts), batch):
            tokens = token_batch(self.tokenizer, texts[start : start + batch])
            parts.append(self.text.run(["text_embeds"], tokens)[0])
        return np.concatenate(parts)
