"""From a picture to `pixel_values`, by the rules that a manifest states."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from models.quantise import Floats

Sides = tuple[int, int]
RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}


@dataclass(frozen=True)
class Preprocess:
    """The manifest's words: resize is "crop", "pad" or "stretch"; colours are 0–255, RGB."""

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
        # One paste serves both: for "crop" the offsets are negative, and the rest falls away.
        square = Image.new("RGB", target, self.pad_color)
        square.paste(resized, (left, top))
        return square


def open_picture(path: Path) -> Image.Image:
    """RGB, the right way up."""
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")
