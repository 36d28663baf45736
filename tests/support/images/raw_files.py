"""Synthetic camera RAW files in the layout of their makers, with an image as sensor data.

LibRaw opens some of them and rejects others, as for unknown cameras.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from PIL import Image

# The TIFF type, the count, the `struct` format, and the values or bytes.
Value: TypeAlias = tuple[int, int, str, tuple[int | bytes, ...]]
Tags: TypeAlias = Mapping[int, Value]
STAMP = (160, 120)
MAKE, MODEL, ORIENTATION, SUBFILE, SUB_DIRECTORIES, EXIF = 271, 272, 274, 254, 330, 34665
CFA, LINEAR_RAW, RGB, YCBCR = 32803, 34892, 2, 6


def octets(*values: int) -> Value:
    return 1, len(values), f"{len(values)}B", values


def shorts(*values: int) -> Value:
    return 3, len(values), f"{len(values)}H", values


def longs(*values: int) -> Value:
    return 4, len(values), f"{len(values)}I", values


def text(value: str) -> Value:
    content = value.encode() + b"\0"
    return 2, len(content), f"{len(content)}s", (content,)


def rationals(*values: tuple[int, int], signed: bool = False) -> Value:
    numbers = tuple(number for value in values for number in value)
    letter, type = ("i", 10) if signed else ("I", 5)
    return type, len(values), f"{len(numbers)}{letter}", numbers


DNG_VERSION = {50706: octets(1, 4, 0, 0), 50707: octets(1, 1, 0, 0)}


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92, **options)
    return file.getvalue()


def stamp(image: Image.Image) -> Image.Image:
    """A camera thumbnail: small, and recognizable by its different colors."""
    red, green, blue = image.convert("RGB").resize(STAMP).split()
    return Image.merge("RGB", (blue, red, green))


class Tiff:
    """A TIFF built from its end: content and directories first, the first directory last."""

    def __init__(self, head: bytes = b"II*\0", header_extension: bytes = b"") -> None:
        self._file = bytearray(head + bytes(4) + header_extension)
        self.order = ">" if head.startswith(b"MM") else "<"

    def add(self, content: bytes) -> int:
        """Append content; returns its offset."""
        self._file += bytes(len(self._file) % 2)
        place = len(self._file)
        self._file += content
        return place

    def add_directory(self, tags: Tags, following: int = 0) -> int:
        self._file += bytes(len(self._file) % 2)
        place = len(self._file)
        end = place + 2 + 12 * len(tags) + 4
        entries, outside = struct.pack(self.order + "H", len(tags)), b""
        for tag, (type, count, layout, values) in sorted(tags.items()):
            content = struct.pack(self.order + layout, *values)
            inside = content.ljust(4, b"\0")
            if len(content) > 4:
                inside = struct.pack(self.order + "I", end + len(outside))
                outside += content + bytes(len(content) % 2)
            entries += struct.pack(self.order + "HHI", tag, type, count) + inside
        self._file += entries + struct.pack(self.order + "I", following) + outside
        return place

    def file(self, first: Tags) -> bytes:
        place = self.add_directory(first)
        struct.pack_into(self.order + "I", self._file, 4, place)
        return bytes(self._file)


def mosaic(image: Image.Image) -> np.ndarray:
    """The image as RGGB sensor data: linear light in 14 bits."""
    light = (np.asarray(image.convert("RGB"), np.float64) / 255) ** 2.2
    seen = light[:, :, 1].copy()
    seen[::2, ::2] = light[::2, ::2, 0]
    seen[1::2, 1::2] = light[1::2, 1::2, 2]
    return np.rint(seen * 16_383).astype(np.uint16)


def pixels(tiff: Tiff, image: Image.Image, kind: int) -> dict[int, Value]:
    """Directory tags of uncompressed pixels, with one sample per pixel for CFA, otherwise three."""
    linear = kind == LINEAR_RAW
    values = np.asarray(image.convert("RGB"))
    if kind == CFA:
        values = mosaic(image)
    elif linear:
        values = np.rint((values / 255) ** 2.2 * 16_383).astype(np.uint16)
    content = values.astype(values.dtype.newbyteorder("<" if tiff.order == "<" else ">")).tobytes()
    samples = 1 if kind == CFA else 3
    tags = {
        256: longs(image.width),
        257: longs(image.height),
        258: shorts(*[16 if kind in (CFA, LINEAR_RAW) else 8] * samples),
        259: shorts(1),
        262: shorts(kind),
        273: longs(tiff.add(content)),
        277: shorts(samples),
        278: longs(image.height),
        279: longs(len(content)),
        284: shorts(1),
    }
    if kind == CFA:
        tags |= {33421: shorts(2, 2), 33422: octets(0, 1, 1, 2)}
    if kind in (CFA, LINEAR_RAW):
        tags |= {50714: longs(0), 50717: longs(16_383)}
    return tags


def preview(tiff: Tiff, image: Image.Image, content: bytes) -> dict[int, Value]:
    """Directory tags of a JPEG preview, in the layout of most makers."""
    return {
        SUBFILE: longs(1),
        256: longs(image.width),
        257: longs(image.height),
        259: shorts(6),
        513: longs(tiff.add(content)),
        514: longs(len(content)),
    }


def dng(
    image: Image.Image,
    *,
    previews: list[bytes] | None = None,
    orientation: int = 1,
    kind: int = CFA,
    sensor: Tags | None = None,
) -> bytes:
    """A DNG that LibRaw develops: the sensor data of `image` as stored, after a thumbnail."""
    tiff = Tiff()
    first = pixels(tiff, stamp(image), RGB) | {SUBFILE: longs(1)}
    whole = pixels(tiff, image, kind) | {SUBFILE: longs(0)} | dict(sensor or {})
    subs = [tiff.add_directory(whole)]
    for content in previews or []:
        shown = Image.open(io.BytesIO(content))
        strip = {
            SUBFILE: longs(1),
            256: longs(shown.width),
            257: longs(shown.height),
            258: shorts(8, 8, 8),
            259: shorts(7),
            262: shorts(YCBCR),
            273: longs(tiff.add(content)),
            277: shorts(3),
            278: longs(shown.height),
            279: longs(len(content)),
        }
        subs.append(tiff.add_directory(strip))
    first |= {
        MAKE: text("Made"),
        MODEL: text("Made by hand"),
        ORIENTATION: shorts(orientation),
        SUB_DIRECTORIES: longs(*subs),
        50708: text("Made by hand"),
        # XYZ to camera colors: those of sRGB, so that development restores the image.
        50721: rationals(
            (32405, 10000), (-15371, 10000), (-4985, 10000),
            (-9693, 10000), (18760, 10000), (416, 10000),
            (556, 10000), (-2040, 10000), (10572, 10000), signed=True,
        ),
        50728: rationals((1, 1), (1, 1), (1, 1)),
        50778: shorts(21),
    }  # fmt: skip
    return tiff.file(first | DNG_VERSION)


def tiff_like(
    image: Image.Image,
    make: str,
    model: str,
    *,
    first: str = "stamp",
    head: bytes = b"II*\0",
    header_extension: bytes = b"",
    extra: Tags | None = None,
    shown: bytes | None = None,
) -> bytes:
    """A TIFF-based RAW file with a preview; `first` selects the content of its first directory.

    "stamp": uncompressed pixels (NEF, DNG); "strip": the preview as a JPEG strip (CR2); "jpeg": the
    preview by JPEGInterchangeFormat, and no strips at all (ARW).
    """
    tiff = Tiff(head, header_extension)
    content = jpeg(image) if shown is None else shown
    sensor = pixels(tiff, image, CFA) | {SUBFILE: longs(0)}
    sub = tiff.add_directory(sensor)
    if first == "stamp":
        tags = pixels(tiff, stamp(image), RGB) | {
            SUBFILE: longs(1),
            SUB_DIRECTORIES: longs(sub, tiff.add_directory(preview(tiff, image, content))),
        }
    elif first == "strip":
        tags = {
            256: longs(image.width),
            257: longs(image.height),
            258: shorts(8, 8, 8),
            259: shorts(6),
            273: longs(tiff.add(content)),
            279: longs(len(content)),
        }
    else:
        tags = preview(tiff, image, content) | {SUB_DIRECTORIES: longs(sub)}
        del tags[256], tags[257]
    tags |= {MAKE: text(make), MODEL: text(model)}
    return tiff.file({ORIENTATION: shorts(1), **tags, **(extra or {})})


def raf(shown: bytes) -> bytes:
    """A Fujifilm RAF: a complete JPEG at an offset given in the header."""
    head = b"FUJIFILMCCD-RAW 0201FF383501X-T3".ljust(84, b"\0")
    return head + struct.pack(">II", 160, len(shown)) + bytes(68) + shown + bytes(9_000)


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def cr3(shown: bytes, notes: Mapping[bytes, bytes] | None = None) -> bytes:
    """A Canon CR3: ISO boxes, some with EXIF, and the JPEG in the media data."""
    head = box(b"ftyp", b"crx \0\0\0\x01crx isom")
    if notes:
        head += box(b"moov", b"".join(box(name, block) for name, block in notes.items()))
    return head + box(b"mdat", shown + bytes(range(256)) * 64)


def files_of_all_makers(image: Image.Image) -> dict[str, bytes]:
    """One file per maker, each with a full-size preview."""
    content = jpeg(image)
    nikon, google = ("NIKON CORPORATION", "NIKON Z 6"), ("Google", "Pixel 7")
    return {
        "nikon.nef": tiff_like(image, *nikon),
        "nikon big-endian.nef": tiff_like(image, *nikon, head=b"MM\0*"),
        "adobe.dng": tiff_like(image, *google, extra=DNG_VERSION),
        "canon.cr2": tiff_like(
            image, "Canon", "Canon EOS 80D", first="strip", header_extension=b"CR\2\0" + bytes(4)
        ),
        "sony.arw": tiff_like(image, "SONY", "ILCE-7M3", first="jpeg"),
        "pentax.pef": tiff_like(image, "PENTAX", "PENTAX K-1"),
        "samsung.srw": tiff_like(image, "SAMSUNG", "NX1"),
        "hasselblad.3fr": tiff_like(image, "Hasselblad", "Hasselblad X1D"),
        "epson.erf": tiff_like(image, "SEIKO EPSON CORP.", "R-D1"),
        "kodak.dcr": tiff_like(image, "EASTMAN KODAK COMPANY", "Kodak DCS Pro 14n"),
        "mamiya.mef": tiff_like(image, "Mamiya-OP Co.,Ltd.", "Mamiya ZD"),
        "phase-one.iiq": tiff_like(image, "Phase One", "IQ3", header_extension=b"IIII" + bytes(12)),
        "leaf.mos": tiff_like(image, "Leaf", "Leaf Aptus 75", head=b"MM\0*"),
        "olympus big-endian.orf": tiff_like(image, "OLYMPUS", "C8080WZ", head=b"MMOR"),
        "olympus.orf": tiff_like(image, "OLYMPUS", "E-M1", head=b"IIRO"),
        "panasonic.rw2": tiff_like(image, "Panasonic", "DC-G9", head=b"IIU\0"),
        "fuji.raf": raf(content),
        "canon.cr3": cr3(content),
        "sigma.x3f": b"FOVb" + bytes(300) + content + bytes(100),
        "minolta.mrw": b"\0MRM" + struct.pack(">I", 500) + bytes(500) + content,
        "canon.crw": b"II\x1a\0\0\0HEAPCCDR" + bytes(500) + content + bytes(64),
    }
