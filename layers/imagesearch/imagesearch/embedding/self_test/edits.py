"""Edited copies of photos, to calibrate and test models.

Runs in this process: it decodes photos that ship with the product, or that it encoded itself.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Edit = Callable[[Image.Image], Image.Image]
_CACHED_PHOTOS = 100
GRAY = (127, 127, 127)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def crop(area: float, position: float) -> Edit:
    """Keep a share of the area; `position` 0 is the top left corner, 0.5 the center."""

    def cropped(picture: Image.Image) -> Image.Image:
        kept = [int(side * area**0.5) for side in picture.size]
        left, top = (int((side - k) * position) for side, k in zip(picture.size, kept, strict=True))
        return picture.crop((left, top, left + kept[0], top + kept[1]))

    return cropped


def other_colors(picture: Image.Image) -> Image.Image:
    brighter = ImageEnhance.Brightness(picture).enhance(1.25)
    flatter = ImageEnhance.Contrast(brighter).enhance(0.8)
    return ImageEnhance.Color(flatter).enhance(0.5)


def tilt(picture: Image.Image) -> Image.Image:
    return picture.rotate(10, Image.Resampling.BICUBIC, fillcolor=GRAY)


def watermark(picture: Image.Image) -> Image.Image:
    """Three half-transparent lines of text, an eighth of the width high."""
    layer = Image.new("RGBA", picture.size)
    draw, (width, height) = ImageDraw.Draw(layer), picture.size
    font = ImageFont.load_default(size=max(12, width // 8))
    for y in (0.15, 0.5, 0.8):
        draw.text((width * 0.1, height * y), "SAMPLE PHOTO", (255, 255, 255, 140), font)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def recompress(picture: Image.Image) -> Image.Image:
    """Down to 200 pixels and JPEG quality 20."""
    small, jpeg = picture.copy(), io.BytesIO()
    small.thumbnail((200, 200))
    small.save(jpeg, "JPEG", quality=20)
    return Image.open(jpeg).convert("RGB")


def quarter_size(picture: Image.Image) -> Image.Image:
    return picture.resize((max(1, picture.width // 4), max(1, picture.height // 4)))


def tilt_a_little(picture: Image.Image) -> Image.Image:
    return picture.rotate(3, Image.Resampling.BICUBIC, fillcolor=GRAY)


def caption(picture: Image.Image) -> Image.Image:
    """White text on a black bar over the lowest 18 % of the image."""
    captioned, (width, height) = picture.copy(), picture.size
    draw, font = ImageDraw.Draw(captioned), ImageFont.load_default(size=max(12, width // 12))
    draw.rectangle((0, int(height * 0.82), width, height), fill=BLACK)
    draw.text((width * 0.05, height * 0.84), "WHEN YOU SEE IT", WHITE, font)
    return captioned


def blur(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 200))


def white_border(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, int(0.05 * max(picture.size)), WHITE)


def letterbox(picture: Image.Image) -> Image.Image:
    """Centered on a black square 1.2 times as large as the longest side."""
    side = int(1.2 * max(picture.size))
    boxed = Image.new("RGB", (side, side), BLACK)
    boxed.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return boxed


EDITS: dict[str, Edit] = {
    "resized to a quarter": quarter_size,
    "recompressed at 200 pixels": recompress,
    "cropped to 90 %": crop(0.9, 0.5),
    "cropped to 80 %": crop(0.8, 0.3),
    "cropped to 60 %": crop(0.6, 0.3),
    "cropped to 30 %": crop(0.3, 0.5),
    "mirrored": ImageOps.mirror,
    "mirrored, cropped to 80 %": lambda picture: crop(0.8, 0.3)(ImageOps.mirror(picture)),
    "other colours": other_colors,
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "blurred": blur,
    "watermarked": watermark,
    "captioned": caption,
    "white border": white_border,
    "letterboxed": letterbox,
    "tilted by 3°": tilt_a_little,
    "tilted by 10°": tilt,
}


class PillowEditor:
    """Edits photos with Pillow."""

    def edited(self, photo: bytes, edit: str) -> bytes:
        """A BMP file: lossless, and written fast."""
        return bitmap(EDITS[edit](_decoded(photo)))


def with_swapped_channels(photo: bytes) -> bytes:
    """A BMP file of the photo with red and blue exchanged."""
    red, green, blue = _decoded(photo).split()
    return bitmap(Image.merge("RGB", (blue, green, red)))


# Each photo is edited about 17 times; the samples take 30 MB.
@lru_cache(_CACHED_PHOTOS)
def _decoded(photo: bytes) -> Image.Image:
    with Image.open(io.BytesIO(photo)) as picture:
        return picture.convert("RGB")


def bitmap(picture: Image.Image) -> bytes:
    """The picture as a BMP file."""
    file = io.BytesIO()
    picture.save(file, "BMP")
    return file.getvalue()
