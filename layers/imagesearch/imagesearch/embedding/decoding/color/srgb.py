"""From the colors of an ICC profile to those of sRGB."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageCms

Convert: TypeAlias = Callable[[Image.Image], Image.Image]
Curve: TypeAlias = tuple[int, ...]

# Perceptual, as Chromium and Firefox prefer a profile's tables (skcms_Parse in skcms.h; preference
# gfx.color_management.rendering_intent); with the black points matched, so that printed black is
# black. Profiles of three primaries and curves have one intent alone.
_INTENT = ImageCms.Intent.PERCEPTUAL
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
# ICC.1:2022, 7.2.6: others have no colors of their own.
_CLASSES = (b"scnr", b"mntr", b"prtr", b"spac")
_SPACES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
# A profile that changes no color by more levels of 255 is one of sRGB.
_SAME = 2
# A profile that leaves less between the darkest and the lightest color is damaged.
_LEAST_SPAN = 32
_KEPT = 8


def to_srgb(image: Image.Image) -> Image.Image:
    """A loaded picture in the colors of sRGB; in place, for it may fill the memory.

    Its profile is `info["icc_profile"]`, which is then gone. Modes that cannot be converted in
    place keep theirs and are converted by parts, when these become RGB (colors.py).
    """
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("P", "RGB", "RGBA", "RGBX"):
        return image
    if image.mode == "P":
        _convert_palette(image, profile)
    elif "transparency" in image.info:
        return image  # The transparent color is stated in the file's own colors.
    elif transform := _transform(profile, image.mode):
        ImageCms.applyTransform(image, transform, inPlace=True)
    del image.info["icc_profile"]
    return image


def conversion(profile: bytes | None, mode: str) -> Convert | None:
    """From a picture in RGB, RGBA or CMYK to RGB, or to RGBA; None where nothing is to be done."""
    transform = _transform(profile, mode) if profile else None
    return (lambda part: _applied(part, transform)) if transform else None


def gray_curve(profile: bytes | None) -> Curve | None:
    """What 256 grays become; None where they stay as they are.

    Browsers take a gray picture's profile of RGB colors, too.
    """
    return _gray_curve(profile) if profile else None


@lru_cache(maxsize=_KEPT)
def _gray_curve(profile: bytes) -> Curve | None:
    if (space := _space(profile)) not in ("L", "RGB"):
        return None
    ramp = Image.frombytes("L", (256, 1), bytes(range(256))).convert(space)
    transform = _transform(profile, space)
    return tuple(_applied(ramp, transform).convert("L").tobytes()) if transform else None


def _convert_palette(image: Image.Image, profile: bytes) -> None:
    colors = image.getpalette("RGB")
    convert = conversion(profile, "RGB")
    if colors and convert:
        row = Image.frombytes("RGB", (len(colors) // 3, 1), bytes(colors))
        image.putpalette(convert(row).tobytes())


@lru_cache(maxsize=_KEPT)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where the profile is that of sRGB, is damaged, or is for pictures of other modes."""
    plain = "RGB" if mode in ("RGBA", "RGBX") else mode
    if _space(profile) != plain:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        output = mode if plain == "RGB" else "RGB"
        transform = ImageCms.buildTransform(source, target, mode, output, _INTENT, _FLAGS)
        before = _samples(plain).convert(mode)
        after = np.asarray(_applied(before, transform).convert("RGB"), np.int16)
    except (ImageCms.PyCMSError, OSError, ValueError, MemoryError):
        return None
    if np.ptp(after) < _LEAST_SPAN:
        return None
    seen = np.asarray(before.convert("RGB"), np.int16)
    same = plain != "CMYK" and np.abs(after - seen).max() <= _SAME
    return None if same else transform


def _space(profile: bytes) -> str | None:
    """The mode of pictures that such a profile is for, as its header says."""
    if profile[36:40] != b"acsp" or profile[12:16] not in _CLASSES:
        return None
    return _SPACES.get(profile[16:20])


def _samples(mode: str) -> Image.Image:
    """All grays, and for colors a grid of 9 levels a channel."""
    if mode == "L":
        return Image.frombytes("L", (256, 1), bytes(range(256)))
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    channels = len(mode)
    grid = np.stack(np.meshgrid(*[levels] * channels), axis=-1).reshape(-1, channels)
    grays = np.repeat(np.arange(256, dtype=np.uint8)[:, None], channels, axis=1)
    values = np.concatenate([grid, grays])
    return Image.frombytes(mode, (len(values), 1), values.tobytes())


def _applied(part: Image.Image, transform: ImageCms.ImageCmsTransform | None) -> Image.Image:
    result = ImageCms.applyTransform(part, transform) if transform else part
    assert result is not None  # noqa: S101 - None is what a conversion in place returns
    return result
