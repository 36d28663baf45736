"""Keys in the derived store: thumbnails, pending uploads, searches, feedback and adapters."""

import hashlib
from datetime import date

from imagesearch.domain.images import ImageRef

THUMBNAILS = "thumbnails/"
UPLOADS = "uploads/"
FEEDBACK = "feedback/"
# Deleted when they are a day old.
SEARCHES = "searches/"
ADAPTERS = "adapters/"


def thumbnail_key(ref: ImageRef, sha256: str, write: object) -> str:
    """The thumbnail of an image with these bytes; `write` has an index and an expected version.

    A version is never reused. Different documents therefore never share a thumbnail, and one can
    be deleted without checking the others; repeating a write creates the same key.
    """
    digest = hashlib.sha256(f"{sha256} {write}".encode()).hexdigest()[:32]
    return f"{THUMBNAILS}{ref.id}/{digest}.webp"


def large_thumbnail_key(thumbnail: str) -> str:
    """The key of the thumbnail of 640 pixels, by the key of that of 320 pixels."""
    return f"{thumbnail.removesuffix('.webp')}-640.webp"


def upload_key(id: str) -> str:
    """The record of a pending upload: JSON with the object key of the image with this id."""
    return UPLOADS + id


def feedback_key(day: date, digest: str) -> str:
    """One relevance judgment about a search of this day."""
    return f"{FEEDBACK}{day:%Y/%m/%d}/{digest}.json"


def search_key(id: str) -> str:
    """The search with this id, which waits for feedback."""
    return f"{SEARCHES}{id}.json"
