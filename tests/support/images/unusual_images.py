"""Creates unusual image files, and broken files."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pillow_jxl
from PIL import Image

from tests.support.images.raw_files import dng, tiff_like
from tests.support.paths import TESTS

assert pillow_jxl, "Pillow writes JPEG XL once it is imported"
HEIC = TESTS / "unit" / "embedding" / "data"
Make = Callable[[Image.Image, Path], None]


def saved(mode: str = "RGB", **options: object) -> Make:
    return lambda picture, path: picture.convert(mode).save(path, **options)


def as_format(name: str, mode: str = "RGB") -> Make:
    """Saves an image in a format, with the extension of another format or none."""
    return lambda picture, path: picture.convert(mode).save(path, format=name)


def animated(picture: Image.Image, path: Path) -> None:
    frames = [picture.rotate(angle) for angle in (90, 180, 270)]
    picture.save(path, save_all=True, append_images=frames, duration=100)


def rotated(picture: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.rotate(90, expand=True).save(path, exif=exif)


def sixteen_bits(picture: Image.Image, path: Path) -> None:
    gray = picture.convert("L")
    deep = b"".join(bytes((value, value)) for value in gray.tobytes())
    Image.frombytes("I;16", gray.size, deep).save(path)


def copied(name: str) -> Make:
    return lambda _, path: path.write_bytes((HEIC / name).read_bytes()) and None


def camera_raw(picture: Image.Image, path: Path) -> None:
    path.write_bytes(tiff_like(picture.convert("RGB"), "NIKON CORPORATION", "NIKON Z 6"))


def without_preview(picture: Image.Image, path: Path) -> None:
    path.write_bytes(dng(picture.convert("RGB")))


def cut(name: str, part: float = 0.5) -> Make:
    """The first part of a file in this format."""

    def make(picture: Image.Image, path: Path) -> None:
        picture.save(path, format=name)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)])

    return make


ODD: dict[str, Make] = {
    "cmyk.jpg": saved("CMYK"),
    "progressive.jpg": saved(progressive=True),
    "grey.jpg": saved("L"),
    "SHOUTING.JPG": as_format("JPEG"),
    "nearly whole.jpg": cut("JPEG", 0.8),
    "rotated by its camera.jpg": rotated,
    "sixteen-bits.png": sixteen_bits,
    "sixteen-bits.tiff": sixteen_bits,
    "palette.png": saved("P"),
    "grey-alpha.png": saved("LA"),
    "see-through.png": saved("RGBA"),
    "black-and-white.tiff": saved("1"),
    "bitmap.bmp": saved(),
    "animated.gif": animated,
    "animated.webp": animated,
    "apple.heic": copied("quadrants.heic"),
    "apple-turned.heic": copied("quadrants-turned.heic"),
    "packed.jxl": as_format("JXL"),
    "with a preview.NEF": camera_raw,
    "to be developed.DNG": without_preview,
    "liar.png": as_format("JPEG"),
    "no-extension": as_format("JPEG"),
    "снимок 写真 🦜.jpg": saved(),
    "x" * 196 + ".jpg": saved(),
}


def holding(data: bytes) -> Make:
    return lambda _, path: path.write_bytes(data) and None


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _png(side: int, pixels: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + pixels + _chunk(b"IEND", b"")


def bomb(_: Image.Image, path: Path) -> None:
    """A valid PNG of 30,000 x 30,000 pixels in a hundred kilobytes."""
    side = 30_000
    rows = zlib.compress(bytes(side * (1 + side // 8)), 1)
    path.write_bytes(_png(side, _chunk(b"IDAT", rows)))


BROKEN: dict[str, Make] = {
    "empty.jpg": holding(b""),
    "empty.heic": holding(b""),
    "text.jpg": holding(b"This is no picture at all.\n"),
    "page.png": holding(b"<!doctype html><title>404</title>"),
    "document.jpeg": holding(b"%PDF-1.7\n" + bytes(500)),
    "archive.webp": holding(b"PK\x03\x04" + bytes(500)),
    "zeros.jpg": holding(bytes(10_000)),
    "noise.png": holding(bytes(range(256)) * 40),
    "bomb.png": bomb,
    "no-pixels.png": holding(_png(100, b"")),
    "cut.jpg": cut("JPEG", 0.25),
    "cut.png": cut("PNG"),
    "cut.webp": cut("WEBP"),
    "cut.tiff": cut("TIFF"),
    "cut.bmp": cut("BMP"),
    "header.jpg": cut("JPEG", 0.01),
    "header.gif": holding(b"GIF89a\x10\x00\x10\x00\x00\x00\x00"),
    "garbage.tif": holding(b"II*\x00\xff\xff\xff\x7f" + bytes(64)),
    "garbage.avif": holding(b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00avifmif1" + bytes(64)),
    "cut.jxl": cut("JXL"),
    "stamp.RAF": holding(b"FUJIFILMCCD-RAW 0201".ljust(200, b"\0")),
    "kills-its-decoder.heic": copied("kills-libheif-1.23.0.heic"),
}
