"""JPEG files: the reduced size of decoding, its memory and scans, and the rows of a truncated file.

Pillow decodes them; `decoder.py` calls it for all formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.decoding.details import thumbnail_size
from imagesearch.embedding.decoding.preprocessing import Preprocessing, Size, placement_of

# A JPEG draft is at least this many times as large as the target, because scaling in the decoder
# is less smooth than resizing.
_DRAFT_FACTOR = 2
# With less than half of the rows, the content of the image is unknown.
_MIN_SHARE = 0.5
_FILLS = (0, 255)
# The gray of missing data in libjpeg, that of coefficients of zero.
_MISSING_GRAY = 128
_STRIP_ROWS = 64
# Encoders write 3 to 30 scans. Each one costs a pass over its blocks, even if it has no data.
MAX_SCANS = 100
# The samples of all scans: a file at the limit of memory in 20 scans. A pass takes about 1 ns each.
MAX_SCANNED_SAMPLES = 5 * 10**9
# ITU-T T.81, table B.1. Bytes of coded data that equal a marker are followed by zero.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FIRST_WITH_LENGTH, _START_OF_IMAGE = 0xC0, 0xD8


def set_draft_size(image: Image.Image, preprocessing: Preprocessing) -> None:
    """Decode a JPEG at 1/2, 1/4 or 1/8 of its size if the model's input and the thumbnail allow.

    Regardless of whether a thumbnail is requested, so that the embedding does not depend on it.
    """
    if image.format not in ("JPEG", "MPO"):
        return
    # Pillow does not set a second draft size; a file's next frame needs its own.
    image.decoderconfig = ()  # type: ignore[attr-defined]
    placement = placement_of(image.size, preprocessing)
    left, top, right, bottom = placement.box
    across, down = placement.size[0] / (right - left), placement.size[1] / (bottom - top)
    minimum = (
        int(image.width * across * _DRAFT_FACTOR) + 1,
        int(image.height * down * _DRAFT_FACTOR) + 1,
    )
    small = thumbnail_size(image.size)
    image.draft(None, (max(minimum[0], small[0]), max(minimum[1], small[1])))


def may_hold(size: Size, image: Image.Image, data: bytes) -> bool:
    """True if a JPEG file is large enough for half of its declared pixels.

    A block of 8 x 8 samples takes at least one bit. Decompression bombs are far smaller.
    """
    if image.format not in ("JPEG", "MPO"):
        return False
    return len(data) * 8 >= _samples(image) * size[0] * size[1] / 64 / 2


def coefficient_bytes(image: Image.Image, header: Size) -> int:
    """The memory of a JPEG with several scans: two bytes for each coefficient, at any scale."""
    return int(2 * _samples(image) * header[0] * header[1])


def _samples(image: Image.Image) -> float:
    """Samples per pixel of a JPEG: 1 for grayscale, 1.5 for 4:2:0 chroma subsampling."""
    sampling = [(across, down) for _, across, down, _ in getattr(image, "layer", [])]
    most = max((across for across, _ in sampling), default=0) * max(
        (down for _, down in sampling), default=0
    )
    return sum(across * down for across, down in sampling) / most if most else 0


def has_several_scans(image: Image.Image, data: bytes) -> bool:
    """True if libjpeg holds all coefficients in memory before it returns the first row.

    That applies to progressive files, and to others whose first scan lacks a component.
    """
    if image.info.get("progressive"):
        return True
    file: Any = getattr(image, "fp", None)
    layers = len(getattr(image, "layer", []))
    if not layers or file is None:
        return False
    # Pillow has read the file up to the end of the first scan's header (ITU-T T.81, B.2.3).
    end = file.tell()
    for components in range(1, layers):
        length = 6 + 2 * components
        start = end - length
        head = b"\xff\xda" + length.to_bytes(2, "big") + bytes([components])
        if start >= 2 and data[start - 2 : start + 3] == head:
            return True
    return False


def check_scans(image: Image.Image, data: bytes) -> None:
    """Raises UnreadableImage for a JPEG with too many scans; reads the file `data` once.

    To be called before the draft size is set.
    """
    if image.format not in ("JPEG", "MPO"):
        return
    samples = {id: across * down for id, across, down, _ in getattr(image, "layer", [])}
    most = max(samples.values(), default=1)
    scanned = 0
    # A frame of a multi-picture file has an offset.
    for scans, components in enumerate(_scans(data, getattr(image, "offset", 0)), 1):
        share = sum(samples.get(each, most) for each in components) / most
        scanned += int(share * image.width * image.height)
        if scans > MAX_SCANS or scanned > MAX_SCANNED_SAMPLES:
            raise UnreadableImage(
                f"the JPEG ({image.width} x {image.height}) has more scans than the decoder reads:"
                f" at most {MAX_SCANS}, and {MAX_SCANNED_SAMPLES / 1e9:g} billion samples in all",
                "save the image again with an image editor",
                code="image_too_complex",
            )


def _scans(data: bytes, start: int) -> Iterator[bytes]:
    """The component ids of each scan up to the end of the image, without its embedded thumbnails.

    Like libjpeg, it continues at the next marker after damaged data.
    """
    at = start
    while found := _MARKER.search(data, at):
        marker, at = data[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            return
        if marker < _FIRST_WITH_LENGTH or marker == _START_OF_IMAGE:
            continue
        if marker == _START_OF_SCAN:
            count = data[at + 2] if at + 2 < len(data) else 0
            yield data[at + 3 : at + 3 + 2 * count : 2]
        at += int.from_bytes(data[at : at + 2], "big")


def may_be_truncated(image: Image.Image) -> bool:
    """True if an error in loading the image may be caused by a truncated file."""
    return image.format in ("JPEG", "MPO") and getattr(image, "tell", lambda: 0)() == 0


def load_truncated(prepared: Callable[[], Image.Image], data: bytes) -> tuple[Image.Image, int]:
    """A loaded truncated JPEG, and the number of its existing rows.

    `prepared` opens the file, ready for loading. Raises UnreadableImage below half the rows.
    """
    image = prepared()
    several = has_several_scans(image, data)
    rows = _rows_of_scans(image) if several else _rows_of_one_scan(image, prepared())
    if rows < _MIN_SHARE * image.height:
        raise UnreadableImage(
            f"the image is truncated: {rows / image.height:.0%} of its rows exist",
            "check that it opens in an image viewer, and copy it from its source again",
            code="damaged_image",
        )
    return image, rows


def _rows_of_one_scan(image: Image.Image, copy: Image.Image) -> int:
    """The existing rows of an image with one scan, whose decoder does not write the others.

    Missing rows keep the previous content in two runs, one over black and one over white.
    """
    untouched = np.ones(image.height, bool)
    for each, fill in zip((copy, image), _FILLS, strict=True):
        _fill(each, fill)
        # Replaces the method that appends an end marker, for which libjpeg would write gray rows.
        each.load_read = each.fp.read  # type: ignore[attr-defined]
        _load(each)
        untouched &= _rows_with(each, fill)
    return _existing_rows(untouched)


def _rows_of_scans(image: Image.Image) -> int:
    """The existing rows of an image with several scans: all, if the first scan is complete.

    Rows that are missing in the first scan are gray.
    """
    # Pillow inverts CMYK.
    gray = 255 - _MISSING_GRAY if image.mode == "CMYK" else _MISSING_GRAY
    _fill(image, gray)
    _load(image)
    return _existing_rows(_rows_with(image, gray))


def _fill(image: Image.Image, value: int) -> None:
    """Fill the pixels that the decoder is going to write."""
    image.im = Image.new(image.mode, image.size, (value,) * len(image.getbands())).im


def _load(image: Image.Image) -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _rows_with(image: Image.Image, value: int) -> NDArray[np.bool_]:
    """A mask of the rows in which all values equal `value`."""
    found = np.empty(image.height, bool)
    for top in range(0, image.height, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS, image.height)
        strip = np.asarray(image.crop((0, top, image.width, bottom)))
        found[top:bottom] = (strip.reshape(bottom - top, -1) == value).all(axis=1)
    return found


def _existing_rows(missing: NDArray[np.bool_]) -> int:
    """The number of rows before the missing rows at the end."""
    there = np.flatnonzero(~missing)
    return int(there[-1]) + 1 if there.size else 0
