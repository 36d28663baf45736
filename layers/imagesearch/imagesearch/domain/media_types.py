"""Media types of image files, by file name extension and by magic number."""

from pathlib import PurePosixPath

# Camera RAW types have the names of freedesktop's shared-mime-info, else those of ExifTool; `RAW`
# is freedesktop's parent type of them. A type may have several extensions that the content does
# not distinguish, such as NEF and NRW or RW2 and RWL.
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
# Media types that can be uploaded, with their extensions, the usual one first.
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
# The first match counts: some RAW files begin as TIFF does.
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
# The bytes after the TIFF header in files of Canon and Phase One.
_RAW_AT_EIGHT = {b"CR\2\0": "image/x-canon-cr2", b"IIII": RAW, b"MMMM": RAW}
# Brands of ISO base media files, after "ftyp": https://mp4ra.org/registered-types/brands
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
    """True if the key has the extension of an image."""
    return PurePosixPath(key).suffix.lower() in EXTENSIONS


def is_raw(content_type: str | None) -> bool:
    """True for the media types of camera RAW files."""
    return content_type in RAW_EXTENSIONS_OF


def without_extensions(key: str) -> str:
    """The key without image extensions: `a/1` for `a/1.CR2` and `a/1.CR2.jpg`."""
    path = PurePosixPath(key)
    while path.suffix.lower() in EXTENSIONS:
        path = path.with_suffix("")
    return str(path)


def likely_type(head: bytes, name: str) -> str | None:
    """The content type by the first bytes; for files that begin as TIFF, by the extension first."""
    sniffed = sniff(head)
    return (_raw_named(name) or sniffed) if sniffed == "image/tiff" else sniffed


def may_be_thumbnail(key: str, content_type: str | None) -> bool:
    """True if a file with a camera RAW extension was decoded as TIFF, that is, its thumbnail."""
    return content_type == "image/tiff" and _raw_named(key) is not None


def _raw_named(name: str) -> str | None:
    end = PurePosixPath(name).suffix.lower()
    return next((type for type, ends in RAW_EXTENSIONS_OF.items() if end in ends), None)


def sniff(head: bytes) -> str | None:
    """The content type by the first `SNIFF_BYTES` bytes; None if they are not those of an image.

    NEF, DNG, ARW and other camera RAW files are reported as TIFF: only a decoder distinguishes
    them.
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
