"""Where in the derived store lies what: small copies, notes of uploads under way, feedback."""

import hashlib
from datetime import date

from imagesearch.domain.images import ImageRef

THUMBNAILS = "thumbnails/"
UPLOADS = "uploads/"
FEEDBACK = "feedback/"


def thumbnail_key(ref: ImageRef, sha256: str, version: object) -> str:
    """The small copy of these bytes, made for the write that expects `version`.

    A version passes once, so no two documents name the same copy unless they are equal, and one of
    them can be replaced without a look at the other. The same write again makes the same copy.
    """
    digest = hashlib.sha256(f"{sha256} {version}".encode()).hexdigest()[:32]
    return f"{THUMBNAILS}{ref.id}/{digest}.webp"


def upload_key(id: str) -> str:
    """The note of an upload that was begun under this id: as JSON, the key that it stands for."""
    return UPLOADS + id


def feedback_key(day: date, digest: str) -> str:
    """One opinion about a search of this day."""
    return f"{FEEDBACK}{day:%Y/%m/%d}/{digest}.json"
