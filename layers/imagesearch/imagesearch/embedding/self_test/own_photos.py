"""Calibration sets of own photos: a file with paths and captions."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from imagesearch.calibration.calibration_set import CalibrationSet, read_rows
from imagesearch.domain.errors import ConfigurationError, UnreadableImage
from imagesearch.embedding.decoding.preprocessing import Picture, Preprocessing, placement_of
from imagesearch.embedding.decoding.workers.pool import DecoderPool
from imagesearch.embedding.self_test.edits import bitmap

MAX_PHOTOS = 1_000
_COLUMNS = ("path", "caption")
# As large as models need; the rows of `Picture.pixels` are then levels from 0 to 255.
_SIDE = 384
_REDUCTION = Preprocessing(
    _SIDE, "pad", "bicubic", (0, 0, 0), (1 / 255, 1 / 255, 1 / 255), (0, 0, 0)
)


def own_set(captions: Path, samples: CalibrationSet) -> CalibrationSet:
    """The set `samples` with the photos and captions of a file.

    The file has a header line with the columns `path`, relative to the file, `caption` and
    optionally `kind`, separated by tabs, or in a .csv by commas or semicolons. Photos are decoded
    in decoder processes and reduced. Raises ConfigurationError.
    """
    rows = _rows(captions)
    paths = [captions.parent / row["path"] for row in rows]
    kinds = [row.get("kind") or row["path"] for row in rows]
    photos = list(_reduced(paths))
    return samples.with_photos(captions.name, photos, [row["caption"] for row in rows], kinds)


def _rows(captions: Path) -> list[dict[str, str]]:
    try:
        rows = read_rows(captions, _delimiter(captions))
    except UnicodeDecodeError as error:
        raise _invalid(f"{captions} is not text in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise _invalid(f"{captions} cannot be read: {error}") from error
    rows = [{_heading(name): value for name, value in row.items()} for row in rows]
    if rows and not set(_COLUMNS) <= rows[0].keys():
        found = ", ".join(filter(None, rows[0])) or "none"
        raise _invalid(
            f"{captions}: line 1 does not name the columns path and caption; it names {found}"
        )
    for number, row in enumerate(rows, start=2):
        if not all((row.get(name) or "").strip() for name in _COLUMNS):
            raise _invalid(f"{captions}: line {number} has no path or no caption")
        if any(_is_control(letter) for name in _COLUMNS for letter in row[name]):
            raise _invalid(f"{captions}: line {number} has control characters")
    for name in _COLUMNS:
        if len(rows) > 1 and len({row[name] for row in rows}) == 1:
            raise _invalid(f"{captions}: all lines have the same {name}")
    if len(rows) > MAX_PHOTOS:
        raise _invalid(f"{captions} has {len(rows):,} photos, over the limit of {MAX_PHOTOS:,}")
    return rows


def _heading(name: str | None) -> str:
    """The name of a column as this module writes it; empty for cells beyond the header."""
    return (name or "").strip().lower()


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" and not letter.isspace()


def _delimiter(captions: Path) -> str:
    """Excel separates by semicolons where the comma is the decimal separator."""
    if captions.suffix.lower() != ".csv":
        return "\t"
    with captions.open(encoding="utf-8-sig") as lines:
        header = lines.readline()
    return ";" if ";" in header and "," not in header else ","


def _reduced(paths: Sequence[Path]) -> Iterator[bytes]:
    """The photos as BMP files of at most 384 pixels a side."""
    decoders = DecoderPool()
    try:
        pictures = decoders.decode_in_order(map(_read, paths), _REDUCTION)
        for path, picture in zip(paths, pictures, strict=True):
            if isinstance(picture, UnreadableImage):
                raise _invalid(f"{path}: {picture.message}")
            yield _file(picture)
    finally:
        decoders.close()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _invalid(f"{path} cannot be read: {error.strerror}") from error


def _file(picture: Picture) -> bytes:
    placement = placement_of((picture.width, picture.height), _REDUCTION)
    (width, height), (left, top) = placement.size, placement.offset
    levels = np.rint(picture.pixels).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    return bitmap(Image.fromarray(levels[top : top + height, left : left + width]))


def _invalid(message: str) -> ConfigurationError:
    hint = "give a file with the columns path and caption, one photo a line"
    return ConfigurationError(message, hint, "invalid_captions")
