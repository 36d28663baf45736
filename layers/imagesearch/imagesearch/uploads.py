"""Use cases: upload images to the bucket, and delete them. The index follows by events."""

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
from imagesearch.json_objects import json_object
from imagesearch.search.query_encoder import urls_off

MAX_NAME_BYTES = 200
# The limit of S3 for user-defined metadata.
MAX_METADATA_BYTES = 2_048
_RANDOM_BYTES = 6
_IMAGE_ID = re.compile(r"[A-Za-z0-9_-]{24}")
UPLOADS_HINT = "ask the operator to enable them: --allow-uploads, or stack parameter AllowUploads"
DELETIONS_HINT = "ask the operator to enable them: --allow-delete, or stack parameter AllowDelete"


@dataclass(frozen=True, slots=True)
class NewImage:
    """An image to upload; `collection` is its folder in the bucket."""

    name: str
    content_type: str
    collection: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreatedUpload:
    """The key of a new image, and the form with which a client uploads it."""

    ref: ImageRef
    form: UploadForm


@dataclass(frozen=True, slots=True)
class PendingImage:
    """An uploaded object that has not been indexed."""

    ref: ImageRef
    state: ObjectState


@dataclass(frozen=True, slots=True)
class Permissions:
    """The operations that the operator has enabled."""

    uploads: bool = False
    deletions: bool = False
    urls: bool = False


class UploadService:
    """Uploads and deletes images, as far as enabled.

    Methods raise InvalidQuery, NotAllowed, NotFound and Unavailable.
    """

    def __init__(
        self,
        store: ImageStore,
        index: VectorIndex,
        changes: BucketChanges,
        pending: DerivedStore,
        permissions: Permissions,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        web: WebImages | None = None,
    ) -> None:
        """`pending` stores the key of each upload by its image id."""
        self._store = store
        self._index = index
        self._changes = changes
        self._pending = pending
        self.permissions = permissions
        self._clock = clock
        self._web = web

    def create_upload(self, image: NewImage) -> CreatedUpload:
        """Create a form for a direct upload to the bucket, under a new key."""
        self._check_uploads()
        check(image)
        ref = ImageRef(self._store.bucket, new_key(image))
        form = self._changes.upload_form(ref, image.content_type, image.metadata, self._clock())
        self._record(ref)
        return CreatedUpload(ref, form)

    def upload_from_url(self, url: str, image: NewImage) -> ImageRef:
        """Download an image and store it in the bucket, under a new key.

        The content type is detected; that of `image` is used if detection fails. Also raises
        PayloadTooLarge and UnreadableImage.
        """
        self._check_uploads()
        if self._web is None:
            raise urls_off()
        data = self._web.fetch(url, UPLOAD_BYTES)
        type = likely_type(data[:SNIFF_BYTES], image.name)
        typed = replace(image, content_type=type or image.content_type)
        check(typed)
        ref = ImageRef(self._store.bucket, new_key(typed))
        self._record(ref)
        self._changes.put(ref, data, typed.content_type, typed.metadata)
        return ref

    def pending(self, id: str) -> PendingImage | None:
        """The uploaded object with this image id that is not indexed yet; None if there is none."""
        ref = self._recorded(id)
        state = self._store.head(ref) if ref else None
        return PendingImage(ref, state) if ref and state else None

    def delete(self, id: str) -> ImageRef:
        """Delete the object of an indexed, rejected or pending image, also if it has changed."""
        if not self.permissions.deletions:
            raise NotAllowed("deletions are disabled", DELETIONS_HINT, "deletions_off")
        stored = self._index.get([id]).get(id)
        ref = stored.document.ref if stored and stored.document else self._recorded(id)
        if ref is None:
            raise image_not_found(id)
        self._changes.delete(ref)
        return ref

    def _check_uploads(self) -> None:
        if not self.permissions.uploads:
            raise NotAllowed("uploads are disabled", UPLOADS_HINT, "uploads_off")

    def _record(self, ref: ImageRef) -> None:
        record = json.dumps({"key": ref.key}).encode()
        self._pending.put(upload_key(ref.id), record, "application/json")

    def _recorded(self, id: str) -> ImageRef | None:
        """The upload with this image id; text that is no image id never becomes a storage key."""
        if not (self.permissions.uploads and _IMAGE_ID.fullmatch(id)):
            return None
        record = self._pending.get(upload_key(id))
        try:
            ref = ImageRef(self._store.bucket, str(json_object(record or b"")["key"]))
            return ref if ref.id == id else None
        except (ValueError, KeyError):  # there is none, or it is damaged
            return None


def image_not_found(id: str) -> NotFound:
    """The error for an id that no image has, indexed, rejected or pending."""
    return NotFound(f"there is no image with the id {id!r}", "use the id of a hit")


def check(image: NewImage) -> None:
    """Raises InvalidQuery for a name, collection, content type or metadata that is not accepted."""
    _check_name("name", image.name)
    if image.collection is not None:
        _check_name("collection", image.collection)
    if image.content_type not in EXTENSIONS_OF:
        raise InvalidQuery(
            f"content_type is {image.content_type!r}",
            f"use one of {', '.join(EXTENSIONS_OF)}",
            "invalid_content_type",
        )
    _check_metadata(image.metadata)


def new_key(image: NewImage) -> str:
    """A unique key with an extension of the content type."""
    name, extensions = PurePosixPath(image.name), EXTENSIONS_OF[image.content_type]
    known = name.suffix.lower() in extensions
    stem, suffix = (name.stem, name.suffix) if known else (image.name, extensions[0])
    unique = f"{stem}-{secrets.token_hex(_RANDOM_BYTES)}{suffix}"
    return f"{image.collection}/{unique}" if image.collection else unique


def _check_name(field: str, value: str) -> None:
    """Accepts names of files and folders that are valid on every file system."""
    problem = _problem(value)
    if problem:
        hint = f"use a plain name of up to {MAX_NAME_BYTES} bytes, such as beach.jpg or 2024"
        raise InvalidQuery(f"{field} {problem}", hint, f"invalid_{field}")


def _problem(value: str) -> str:
    if not value.strip() or value != value.strip():
        return "is empty, or begins or ends with white space"
    if not value.isprintable() or set(value) & set("/\\"):
        return "contains a slash, a backslash or a character that is not printable"
    if value.startswith("."):
        return "begins with a dot"
    if len(value.encode()) > MAX_NAME_BYTES:
        return f"has more than {MAX_NAME_BYTES} bytes"
    return ""


def _check_metadata(metadata: Mapping[str, str]) -> None:
    """Accepts what S3 stores as headers: ASCII, names in lower case, 2 KB in total.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    """
    for name, value in metadata.items():
        if not _is_header_name(name):
            raise _bad_metadata(f"the name {name!r} has characters other than a-z, 0-9 and -")
        if not (value.isascii() and value.isprintable() and value == value.strip() and value):
            raise _bad_metadata(f"the value of {name!r} is empty or not printable ASCII")
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise _bad_metadata(
            f"names and values have {size:,} bytes, over the limit of {MAX_METADATA_BYTES:,}"
        )


def _is_header_name(name: str) -> bool:
    return name.isascii() and name.replace("-", "").isalnum() and name == name.lower()


def _bad_metadata(reason: str) -> InvalidQuery:
    hint = "use names and values that are valid in x-amz-meta- headers"
    return InvalidQuery(f"metadata: {reason}", hint, "invalid_metadata")
