"""Edits that a picture meets on its way around, for asking whether its original is still found."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

Edit = Callable[[Image.Image], Image.Image]
GREY = (127, 127, 127)


def crop(area: float, place: float) -> Edit:
    """Keep a share of the area; `place` 0 is the top left corner, 0.5 the middle."""

    def cropped(picture: Image.Image) -> Image.Image:
        kept = [int(side * area**0.5) for side in picture.size]
        left, top = (int((side - k) * place) for side, k in zip(picture.size, kept, strict=True))
        return picture.crop((left, top, left + kept[0], top + kept[1]))

    return cropped


def other_colours(picture: Image.Image) -> Image.Image:
    brighter = ImageEnhance.Brightness(picture).enhance(1.25)
    flatter = ImageEnhance.Contrast(brighter).enhance(0.8)
    return ImageEnhance.Color(flatter).enhance(0.5)


def tilt(picture: Image.Image) -> Image.Image:
    return picture.rotate(10, Image.Resampling.BICUBIC, fillcolor=GREY)


def watermark(picture: Image.Image) -> Image.Image:
    """Three half-transparent lines of text, an eighth of the width high."""
    layer = Image.new("RGBA", picture.size)
    draw, (width, height) = ImageDraw.Draw(layer), picture.size
    font = ImageFont.load_default(size=max(12, width // 8))
    for place in (0.15, 0.5, 0.8):
        draw.text((width * 0.1, height * place), "SAMPLE PHOTO", (255, 255, 255, 140), font)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def recompress(picture: Image.Image) -> Image.Image:
    """Down to 200 pixels and JPEG quality 20."""
    small, jpeg = picture.copy(), io.BytesIO()
    small.thumbnail((200, 200))
    small.save(jpeg, "JPEG", quality=20)
    return Image.open(jpeg).convert("RGB")


EDITS: dict[str, Edit] = {
    "crop to 60 %": crop(0.6, 0.3),
    "crop to 30 %": crop(0.3, 0.5),
    "mirror": ImageOps.mirror,
    "other colours": other_colours,
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "tilt by 10°": tilt,
    "watermark": watermark,
    "recompress": recompress,
}
