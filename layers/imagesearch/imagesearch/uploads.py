"""Use cases: take a new image into the bucket, and let one go.

What a new image may be called and carry, and under which key it comes to lie.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath

from imagesearch.domain.errors import InvalidQuery, NotAllowed, NotFound
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.media_types import EXTENSIONS_OF, SNIFF_BYTES, likely_type
from imagesearch.domain.ports import (
    UPLOAD_BYTES,
    BucketChanges,
    DerivedStore,
    ImageStore,
    UploadForm,
    VectorIndex,
    WebImages,
)
from imagesearch.domain.storage_keys import upload_key
from imagesearch.search.query_encoder import urls_off

MAX_NAME_BYTES = 200
MAX_METADATA_BYTES = 2_048
RANDOM_BYTES = 6


@dataclass(frozen=True, slots=True)
class NewImage:
    """What somebody wants to upload; `collection` is the folder that it goes to."""

    name: str
    content_type: str
    collection: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def check(wanted: NewImage) -> None:
    """Raises InvalidQuery."""
    _check_part("name", wanted.name)
    if wanted.collection is not None:
        _check_part("collection", wanted.collection)
    if wanted.content_type not in EXTENSIONS_OF:
        raise InvalidQuery(
            f"content_type is {wanted.content_type!r}",
            f"send one of {', '.join(EXTENSIONS_OF)}",
            "invalid_content_type",
        )
    _check_metadata(wanted.metadata)


def new_key(wanted: NewImage) -> str:
    """A name that nothing has yet, and that ends as its type does."""
    name, extensions = PurePosixPath(wanted.name), EXTENSIONS_OF[wanted.content_type]
    known = name.suffix.lower() in extensions
    stem, suffix = (name.stem, name.suffix) if known else (wanted.name, extensions[0])
    unique = f"{stem}-{secrets.token_hex(RANDOM_BYTES)}{suffix}"
    return f"{wanted.collection}/{unique}" if wanted.collection else unique


def _check_part(field: str, value: str) -> None:
    """What becomes a folder's or a file's name, on whatever system."""
    wrong = _wrong_with(value)
    if wrong:
        hint = f"send a plain name of up to {MAX_NAME_BYTES} bytes, such as beach.jpg or 2024"
        raise InvalidQuery(f"{field} {wrong}", hint, f"invalid_{field}")


def _wrong_with(value: str) -> str:
    if not value.strip() or value != value.strip():
        return "is empty, or begins or ends with a blank"
    if not value.isprintable() or set(value) & set("/\\"):
        return "holds a slash, a backslash or a character that cannot be printed"
    if value.startswith("."):
        return "begins with a dot"
    if len(value.encode()) > MAX_NAME_BYTES:
        return f"has more than {MAX_NAME_BYTES} bytes"
    return ""


def _check_metadata(metadata: Mapping[str, str]) -> None:
    """What S3 takes as headers: ASCII, names in lower case, 2 KB in all.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    """
    for name, value in metadata.items():
        if not _is_header_name(name):
            raise _bad_metadata(f"the name {name!r} is not made of a to z, 0 to 9 and -")
        if not (value.isascii() and value.isprintable() and value == value.strip() and value):
            raise _bad_metadata(f"the value of {name!r} is not printable ASCII, or it is empty")
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise _bad_metadata(f"names and values have {size:,} bytes, over {MAX_METADATA_BYTES:,}")


def _is_header_name(name: str) -> bool:
    return name.isascii() and name.replace("-", "").isalnum() and name == name.lower()


def _bad_metadata(why: str) -> InvalidQuery:
    hint = "send what the headers x-amz-meta- can hold"
    return InvalidQuery(f"metadata: {why}", hint, "invalid_metadata")


IMAGE_ID = re.compile(r"[A-Za-z0-9_-]{24}")
UPLOADS_HINT = "the operator can switch them on: --allow-uploads, or AllowUploads of the stack"
DELETIONS_HINT = "the operator can switch them on: --allow-delete, or AllowDelete of the stack"


@dataclass(frozen=True, slots=True)
class CreatedUpload:
    ref: ImageRef
    form: UploadForm


@dataclass(frozen=True, slots=True)
class PendingImage:
    """An object that is there and that the index has not looked at."""

    ref: ImageRef
    state: ObjectState


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be changed in the bucket from here, and whether images are fetched from the web."""

    uploads: bool = False
    deletions: bool = False
    urls: bool = False


class UploadService:
    """Changes what the bucket holds, where that is allowed; the index follows by the events.

    Its methods raise InvalidQuery, NotAllowed, NotFound, Unavailable.
    """

    def __init__(
        self,
        store: ImageStore,
        index: VectorIndex,
        changes: BucketChanges,
        notes: DerivedStore,
        allowed: Allowed,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        web: WebImages | None = None,
    ) -> None:
        """`notes` keeps which key an upload's id stands for, until the image is indexed."""
        self._store = store
        self._index = index
        self._changes = changes
        self._notes = notes
        self.allowed = allowed
        self._clock = clock
        self._web = web

    def begin(self, wanted: NewImage) -> CreatedUpload:
        """What it takes to upload it straight to the bucket, where it overwrites nothing."""
        self._check_uploads()
        check(wanted)
        ref = ImageRef(self._store.bucket, new_key(wanted))
        form = self._changes.upload_form(ref, wanted.content_type, wanted.metadata, self._clock())
        self._note(ref)
        return CreatedUpload(ref, form)

    def take(self, url: str, wanted: NewImage) -> ImageRef:
        """Fetch an image from the web and put it into the bucket, where it overwrites nothing.

        Its type is what its bytes tell, whatever `wanted` says of it.
        Raises PayloadTooLarge and UnreadableImage, too.
        """
        self._check_uploads()
        if self._web is None:
            raise urls_off()
        data = self._web.fetch(url, UPLOAD_BYTES)
        type = likely_type(data[:SNIFF_BYTES], wanted.name)
        found = replace(wanted, content_type=type or wanted.content_type)
        check(found)
        ref = ImageRef(self._store.bucket, new_key(found))
        self._note(ref)
        self._changes.put(ref, data, found.content_type, found.metadata)
        return ref

    def pending(self, id: str) -> PendingImage | None:
        """What was uploaded under an id that the index does not know yet; None: nothing."""
        ref = self._begun(id)
        state = self._store.head(ref) if ref else None
        return PendingImage(ref, state) if ref and state else None

    def delete(self, id: str) -> ImageRef:
        """Have the object gone, whatever it is now, whether it is indexed, rejected or pending."""
        if not self.allowed.deletions:
            raise NotAllowed("deletions are switched off here", DELETIONS_HINT, "deletions_off")
        stored = self._index.get([id]).get(id)
        ref = stored.document.ref if stored and stored.document else self._begun(id)
        if ref is None:
            raise NotFound(f"there is no image with the id {id!r}", "take an id from a hit")
        self._changes.delete(ref)
        return ref

    def _check_uploads(self) -> None:
        if not self.allowed.uploads:
            raise NotAllowed("uploads are switched off here", UPLOADS_HINT, "uploads_off")

    def _note(self, ref: ImageRef) -> None:
        note = json.dumps({"key": ref.key}).encode()
        self._notes.put(upload_key(ref.id), note, "application/json")

    def _begun(self, id: str) -> ImageRef | None:
        """What an upload was begun for; only our own ids become names in the store of notes."""
        if not (self.allowed.uploads and IMAGE_ID.fullmatch(id)):
            return None
        note = self._notes.get(upload_key(id))
        return ImageRef(self._store.bucket, json.loads(note)["key"]) if note else None
