"""Color conversion from an ICC profile to sRGB."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageCms

Convert: TypeAlias = Callable[[Image.Image], Image.Image]
Curve: TypeAlias = tuple[int, ...]

# The perceptual intent, as in Chromium and Firefox (skcms_Parse in skcms.h; preference
# gfx.color_management.rendering_intent), with black point compensation, so that printed black is
# black. Profiles of three primaries and curves have a single intent.
_INTENT = ImageCms.Intent.PERCEPTUAL
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
# ICC.1:2022, 7.2.6: other classes do not describe colors of an image.
_CLASSES = (b"scnr", b"mntr", b"prtr", b"spac")
_SPACES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
# A profile that changes no color by more than this many levels of 255 is equivalent to sRGB.
_MAX_DIFFERENCE = 2
# A profile with a smaller range from the darkest to the lightest color is damaged.
_MIN_SPAN = 32
_CACHED_PROFILES = 8


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image to sRGB in place, because a copy may exceed the memory.

    Removes the profile, `info["icc_profile"]`. Modes that cannot be converted in place keep it and
    are converted in chunks by `transforms.to_rgb`.
    """
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("P", "RGB", "RGBA", "RGBX"):
        return image
    if image.mode == "P":
        _convert_palette(image, profile)
    elif "transparency" in image.info:
        return image  # The transparent color is one of the original colors.
    elif transform := _transform(profile, image.mode):
        ImageCms.applyTransform(image, transform, inPlace=True)
    del image.info["icc_profile"]
    return image


def conversion(profile: bytes | None, mode: str) -> Convert | None:
    """A conversion from RGB, RGBA or CMYK to RGB or RGBA; None if none is necessary."""
    transform = _transform(profile, mode) if profile else None
    return (lambda part: _applied(part, transform)) if transform else None


def gray_curve(profile: bytes | None) -> Curve | None:
    """The table that converts 256 gray levels; None if they do not change.

    RGB profiles are applied to grayscale images, too, as in browsers.
    """
    return _gray_curve(profile) if profile else None


@lru_cache(maxsize=_CACHED_PROFILES)
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


@lru_cache(maxsize=_CACHED_PROFILES)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform; None for a profile of sRGB, a damaged one, or one for other modes."""
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
    if np.ptp(after) < _MIN_SPAN:
        return None
    seen = np.asarray(before.convert("RGB"), np.int16)
    same = plain != "CMYK" and np.abs(after - seen).max() <= _MAX_DIFFERENCE
    return None if same else transform


def _space(profile: bytes) -> str | None:
    """The mode of the images that a profile applies to, from its header."""
    if profile[36:40] != b"acsp" or profile[12:16] not in _CLASSES:
        return None
    return _SPACES.get(profile[16:20])


def _samples(mode: str) -> Image.Image:
    """An image with all gray levels, and for colors a grid of 9 levels per channel."""
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
    assert result is not None  # noqa: S101 - None is returned for conversions in place only
    return result
