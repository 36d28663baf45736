"""Keys in the derived store: thumbnails, uploads, searches, feedback, adapters and inventories."""

import hashlib
import re
import zlib
from datetime import date

from imagesearch.domain.images import ImageRef

THUMBNAILS = "thumbnails/"
UPLOADS = "uploads/"
FEEDBACK = "feedback/"
# Deleted when they are a day old.
SEARCHES = "searches/"
ADAPTERS = "adapters/"
# Deleted when they are two days old: a reconciliation of 100 million objects takes hours.
INVENTORIES = "inventories/"
# CRC-32 of the content, and of the larger thumbnail, at the end of a name. Older releases wrote
# names without them.
_CHECKSUMS = re.compile(r"-([0-9a-f]{8})([0-9a-f]{8})?(-640)?\.[a-z]+$")


def thumbnail_key(
    ref: ImageRef, sha256: str, write: object, thumbnail: bytes, large: bytes | None = None
) -> str:
    """The thumbnail of an image with these bytes; `write` has an index and an expected version.

    A version is never reused. Different documents therefore never share a thumbnail, and one can
    be deleted without checking the others; repeating a write creates the same key. Its name ends
    with the checksums of `thumbnail` and of the `large` one.
    """
    digest = hashlib.sha256(f"{sha256} {write}".encode()).hexdigest()[:32]
    checksums = crc32(thumbnail) + (crc32(large) if large else "")
    return f"{THUMBNAILS}{ref.id}/{digest}-{checksums}.jpg"


def large_thumbnail_key(thumbnail: str) -> str:
    """The key of the thumbnail of 640 pixels, by the key of that of 320 pixels."""
    name, _, format = thumbnail.rpartition(".")
    return f"{name}-640.{format}"


def checksum_of(key: str) -> str | None:
    """The CRC-32 of the content that was stored under a key; None if its name has none."""
    if not (found := _CHECKSUMS.search(key)):
        return None
    small, large, is_large = found.groups()
    checksum: str | None = large if is_large else small
    return checksum


def crc32(data: bytes) -> str:
    """8 hexadecimal digits."""
    return f"{zlib.crc32(data):08x}"


def upload_key(id: str) -> str:
    """The record of a pending upload: JSON with the object key of the image with this id."""
    return UPLOADS + id


def feedback_key(day: date, digest: str, content: bytes | None = None) -> str:
    """One relevance judgment about a search of this day; with a checksum of its content, if any."""
    checksum = f"-{crc32(content)}" if content else ""
    return f"{FEEDBACK}{day:%Y/%m/%d}/{digest}{checksum}.json"


def search_key(id: str) -> str:
    """The search with this id, which waits for feedback."""
    return f"{SEARCHES}{id}.json"
