"""Which objects claim to be images, by name, and which are, by their first bytes."""

from pathlib import PurePosixPath

EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .dib .tif .tiff"
    " .avif .avifs .heic .heics .heif .heifs .hif".split()
)
# What can be uploaded, and how such files' names end, the usual way first.
EXTENSIONS_OF = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "image/png": (".png", ".apng"),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "image/bmp": (".bmp", ".dib"),
    "image/tiff": (".tiff", ".tif"),
    "image/avif": (".avif", ".avifs"),
    "image/heic": (".heic", ".heics", ".hif"),
    "image/heif": (".heif", ".heifs", ".hif"),
}
SNIFF_BYTES = 32
_MAGIC = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
    b"II+\x00": "image/tiff",
    b"MM\x00+": "image/tiff",
}
# ISO base media files say their brand behind "ftyp": https://mp4ra.org/registered-types/brands
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"hevx": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}


def named_as_image(key: str) -> bool:
    """Whether the key ends as an image's does."""
    return PurePosixPath(key).suffix.lower() in EXTENSIONS


def sniff(head: bytes) -> str | None:
    """The content type that the first `SNIFF_BYTES` bytes tell; None when it is no image's."""
    for magic, content_type in _MAGIC.items():
        if head.startswith(magic):
            return content_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and len(head) >= 18 and head[6:10] == bytes(4):
        return "image/bmp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    return None
