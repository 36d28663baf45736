"""Reference preprocessing and embedding with Pillow, independent of the product's pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tokenizers import Tokenizer

from imagesearch.embedding.session import Session, open_session
from models import Floats

BATCH, MAX_TOKENS = 8, 128
Sides = tuple[int, int]
RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}


@dataclass(frozen=True)
class Preprocess:
    """Fields of the manifest: resize is "crop", "pad" or "stretch"; colors are RGB, 0 to 255."""

    size: int
    resize: str
    resample: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pad_color: tuple[int, int, int]

    def pixel_values(self, picture: Image.Image) -> Floats:
        """[3, size, size], (x / 255 − mean) / std."""
        pixels = np.asarray(self._square(picture), np.float32) / 255
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.asarray(((pixels - mean) / std).transpose(2, 0, 1), np.float32)

    def as_manifest(self) -> dict[str, object]:
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    def _square(self, picture: Image.Image) -> Image.Image:
        target: Sides = (self.size, self.size)
        filtering = RESAMPLING[self.resample]
        if self.resize == "stretch":
            return picture.resize(target, filtering)
        decisive_side = max(picture.size) if self.resize == "pad" else min(picture.size)
        scale = self.size / decisive_side
        width, height = (max(1, round(side * scale)) for side in picture.size)
        resized = picture.resize((width, height), filtering)
        left, top = (self.size - width) // 2, (self.size - height) // 2
        # With negative offsets, for "crop", pasting cuts off the excess.
        square = Image.new("RGB", target, self.pad_color)
        square.paste(resized, (left, top))
        return square


def open_picture(path: Path) -> Image.Image:
    """RGB, with the EXIF orientation applied."""
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


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
        """[N, D]; holds one batch in memory."""
        batches = []
        for start in range(0, len(pictures), batch):
            pixels = [self.preprocess.pixel_values(p) for p in pictures[start : start + batch]]
            batches.append(self.image.run(["image_embeds"], {"pixel_values": np.stack(pixels)})[0])
        return np.concatenate(batches)

    def texts(self, texts: Sequence[str], batch: int = BATCH) -> Floats:
        """[N, D]."""
        batches = []
        for start in range(0, len(texts), batch):
            tokens = token_batch(self.tokenizer, texts[start : start + batch])
            batches.append(self.text.run(["text_embeds"], tokens)[0])
        return np.concatenate(batches)
