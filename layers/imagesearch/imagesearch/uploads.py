"""Use cases: take a new image into the bucket, and let one go."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from imagesearch.bucket_ports import BucketChanges, DerivedStore
from imagesearch.domain.errors import NotAllowed, NotFound
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.media_types import SNIFF_BYTES, likely_type
from imagesearch.domain.ports import ImageStore, VectorIndex, WebImages
from imagesearch.domain.storage_keys import upload_key
from imagesearch.new_images import NewImage, check, new_key
from imagesearch.upload_forms import UPLOAD_BYTES, UploadForm
from imagesearch.web_queries import urls_off

IMAGE_ID = re.compile(r"[A-Za-z0-9_-]{24}")
UPLOADS_HINT = "the operator can switch them on: --allow-uploads, or AllowUploads of the stack"
DELETIONS_HINT = "the operator can switch them on: --allow-delete, or AllowDelete of the stack"


@dataclass(frozen=True, slots=True)
class BegunUpload:
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


class Intake:
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

    def begin(self, wanted: NewImage) -> BegunUpload:
        """What it takes to upload it straight to the bucket, where it overwrites nothing."""
        self._check_uploads()
        check(wanted)
        ref = ImageRef(self._store.bucket, new_key(wanted))
        form = self._changes.upload_form(ref, wanted.content_type, wanted.metadata, self._clock())
        self._note(ref)
        return BegunUpload(ref, form)

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
