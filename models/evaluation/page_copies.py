"""Six kinds of copies of a document page: recompressed, smaller, gray, or rescanned."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageEnhance

from imagesearch.embedding.self_test.edits import EDITS, Edit


def _saved(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.BICUBIC)


def third(picture: Image.Image) -> Image.Image:
    return _scaled(picture, 1 / 3)


def scan(degrees: float, scale: float, quality: int) -> Edit:
    """Rotated, cropped unevenly, darker, with less contrast, noisy, smaller and recompressed."""

    def scanned(picture: Image.Image) -> Image.Image:
        ground = picture.getpixel((2, 2))
        turned = picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=ground)
        width, height = turned.size
        edges = int(0.01 * width), int(0.005 * height), int(0.985 * width), int(0.99 * height)
        darker = ImageEnhance.Brightness(_scaled(turned.crop(edges), scale)).enhance(0.95)
        levels = np.asarray(ImageEnhance.Contrast(darker).enhance(0.85), np.float32)
        noise = np.random.default_rng(1).normal(0, 5, (*levels.shape[:2], 1))
        noisy = np.clip(levels + noise, 0, 255).astype(np.uint8)
        return _saved(Image.fromarray(noisy), quality)

    return scanned


PAGE_COPIES: dict[str, Edit] = {
    "saved again": lambda picture: _saved(picture, 50),
    "a third of the size": third,
    "grey": EDITS["grey"],
    "scanned again, 1° off": scan(1, 0.6, 70),
    "scanned again, 2° off": scan(-2, 0.6, 70),
    "scanned again at a third of the size": scan(0.5, 0.34, 60),
}
