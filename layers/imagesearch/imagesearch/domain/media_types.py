"""Which objects claim to be images, by name, and which are, by their first bytes."""

from pathlib import PurePosixPath

# Camera RAW: types as freedesktop's shared-mime-info names them, where it knows them, else as
# ExifTool does; `RAW` is freedesktop's parent type of them all. One type may go by several names:
# what distinguishes NEF from NRW or RW2 from RWL is not in the file.
RAW = "image/x-dcraw"
RAW_EXTENSIONS_OF = {
    "image/x-adobe-dng": (".dng", ".gpr"),
    "image/x-canon-cr2": (".cr2",),
    "image/x-canon-cr3": (".cr3",),
    "image/x-canon-crw": (".crw",),
    "image/x-epson-erf": (".erf",),
    "image/x-fuji-raf": (".raf",),
    "image/x-hasselblad-3fr": (".3fr", ".fff"),
    "image/x-kodak-dcr": (".dcr", ".kdc", ".k25"),
    "image/x-mamiya-mef": (".mef",),
    "image/x-minolta-mrw": (".mrw",),
    "image/x-nikon-nef": (".nef", ".nrw"),
    "image/x-olympus-orf": (".orf", ".ori"),
    "image/x-panasonic-rw2": (".rw2", ".rwl"),
    "image/x-pentax-pef": (".pef",),
    "image/x-samsung-srw": (".srw",),
    "image/x-sigma-x3f": (".x3f",),
    "image/x-sony-arw": (".arw", ".sr2", ".srf"),
    RAW: (".iiq", ".mos"),
}
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
    "image/jxl": (".jxl",),
} | RAW_EXTENSIONS_OF
EXTENSIONS = frozenset(ending for endings in EXTENSIONS_OF.values() for ending in endings)
SNIFF_BYTES = 32
# The first that fits counts: some RAW files begin as TIFF does.
_MAGIC = {
    b"FUJIFILMCCD-RAW ": "image/x-fuji-raf",
    b"II\x1a\0\0\0HEAPCCDR": "image/x-canon-crw",
    b"IIRO": "image/x-olympus-orf",
    b"IIRS": "image/x-olympus-orf",
    b"MMOR": "image/x-olympus-orf",
    b"IIU\0": "image/x-panasonic-rw2",
    b"FOVb": "image/x-sigma-x3f",
    b"\0MRM": "image/x-minolta-mrw",
    b"\xff\x0a": "image/jxl",
    b"\0\0\0\x0cJXL \r\n\x87\n": "image/jxl",
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
    b"II+\x00": "image/tiff",
    b"MM\x00+": "image/tiff",
}
_TIFF = (b"II*\0", b"MM\0*")
# What comes after a TIFF's header in files of Canon and of Phase One.
_RAW_AT_EIGHT = {b"CR\2\0": "image/x-canon-cr2", b"IIII": RAW, b"MMMM": RAW}
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
    b"crx ": "image/x-canon-cr3",
}


def named_as_image(key: str) -> bool:
    """Whether the key ends as an image's does."""
    return PurePosixPath(key).suffix.lower() in EXTENSIONS


def is_raw(content_type: str | None) -> bool:
    """Whether it is the type of a camera RAW file."""
    return content_type in RAW_EXTENSIONS_OF


def without_extensions(key: str) -> str:
    """The key without the endings of images: `a/1` of `a/1.CR2` and of `a/1.CR2.jpg`."""
    path = PurePosixPath(key)
    while path.suffix.lower() in EXTENSIONS:
        path = path.with_suffix("")
    return str(path)


def likely_type(head: bytes, name: str) -> str | None:
    """The content type that the first bytes tell, and of what begins as TIFF its name."""
    told = sniff(head)
    return (_raw_named(name) or told) if told == "image/tiff" else told


def may_be_thumbnail(key: str, content_type: str | None) -> bool:
    """Whether camera RAW, by its name, was read as TIFF: then what was read was its thumbnail."""
    return content_type == "image/tiff" and _raw_named(key) is not None


def _raw_named(name: str) -> str | None:
    end = PurePosixPath(name).suffix.lower()
    return next((type for type, ends in RAW_EXTENSIONS_OF.items() if end in ends), None)


def sniff(head: bytes) -> str | None:
    """The content type that the first `SNIFF_BYTES` bytes tell; None when it is no image's.

    NEF, DNG, ARW and other camera RAW begin as any TIFF does: only a decoder tells them apart.
    """
    if head[:4] in _TIFF and head[8:12] in _RAW_AT_EIGHT:
        return _RAW_AT_EIGHT[head[8:12]]
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
