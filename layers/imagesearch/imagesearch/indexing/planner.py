"""What one key needs so that the index agrees with the bucket: decided here, done by indexing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from imagesearch.domain.images import (
    DetailsWanted,
    Document,
    Embedding,
    EncodedImage,
    ImageRef,
    ObjectState,
    Status,
)
from imagesearch.domain.media_types import may_be_thumbnail, named_as_image
from imagesearch.domain.ports import Delete, ImageEncoder, Put, Stored, Touch, Version, Write
from imagesearch.domain.storage_keys import thumbnail_key

# The decoder of what no decoder has seen: it is looked at again, whatever the release.
UNREAD = "none"


class OutcomeKind(StrEnum):
    INDEXED = "indexed"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one key; `failed` is to be looked at again later, all others are settled.

    An image that is `unlinked` may have duplicates that nobody has looked for. One that is `reused`
    took its embedding from an image of the same bytes.
    """

    ref: ImageRef
    kind: OutcomeKind
    reason: str = ""
    unlinked: bool = False
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """A key as the bucket (`state`, None: nothing there) and the index showed it in one round."""

    ref: ImageRef
    state: ObjectState | None
    stored: Stored | None

    @property
    def document(self) -> Document | None:
        return self.stored.document if self.stored else None

    @property
    def version(self) -> Version | None:
        return self.stored.version if self.stored else None


@dataclass(frozen=True, slots=True)
class ExistingObject:
    """A key with an object behind it, which may have to be read."""

    seen: Observed
    state: ObjectState

    @property
    def ref(self) -> ImageRef:
        return self.seen.ref


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A write and what to report once it is written and the bucket is still as it was seen.

    `thumbnail` is the small copy that its document names.
    """

    seen: Observed
    write: Write
    outcome: Outcome
    thumbnail: bytes | None = None

    @property
    def ref(self) -> ImageRef:
        return self.seen.ref


@dataclass(frozen=True, slots=True)
class Known:
    """What a record says of some bytes: `embedding` [D] float32, `thumbnail` the file it names."""

    document: Document
    embedding: Embedding
    thumbnail: bytes | None = None

    @property
    def sha256(self) -> str:
        return self.document.sha256 or ""


class Planner:
    """Decides from what was seen, and makes the documents; knows no I/O."""

    def __init__(
        self,
        encoder: ImageEncoder,
        clock: Callable[[], datetime],
        wanted: DetailsWanted = DetailsWanted(),  # noqa: B008 - frozen
        afresh: bool = False,
    ) -> None:
        """With `afresh`, every object is read, whatever its state says."""
        self._afresh = afresh
        self._encoder = encoder
        self._clock = clock
        self._wanted = wanted

    def decide(self, seen: Observed) -> Outcome | PlannedWrite | ExistingObject:
        """Nothing to do, a write, or a Present whose object must be read."""
        state, known = seen.state, seen.document
        if state is None:
            return self.forget(seen, Outcome(seen.ref, OutcomeKind.DELETED))
        same = known and known.etag == state.etag and not self._afresh
        if known and seen.stored and same and self._stands(known, state):
            # S3 tells times in seconds: metadata can be new though the time is not.
            metadata = _shown(known.exif, state)
            if (known.last_modified, known.metadata) == (state.last_modified, metadata):
                return _outcome(known, OutcomeKind.UNCHANGED)
            return self._update(seen, state, known, seen.stored.version)
        return ExistingObject(seen, state)

    def _stands(self, known: Document, state: ObjectState) -> bool:
        """Whether what these bytes gave still holds.

        A newer decoder may read what was rejected; an older release made no miniature, and one
        without a derived store no thumbnail, and some took camera RAW for the TIFF that its
        thumbnail is. An image that was indexed stays so when it is archived, with the same bytes.
        """
        if known.status is Status.INDEXED:
            if state.unreadable:
                return True
            is_newer = known.decoder != self._encoder.decoder
            if is_newer and may_be_thumbnail(known.ref.key, known.content_type):
                return False
            return self._has_details(known)
        return known.decoder == self._encoder.decoder

    def _has_details(self, known: Document) -> bool:
        has_thumbnail = known.thumbnail is not None or not self._wanted.thumbnail
        return known.miniature is not None and has_thumbnail

    def is_complete(self, known: Document) -> bool:
        """Whether the record of an indexed image holds what its bytes would give now."""
        return (
            known.status is Status.INDEXED
            and known.decoder == self._encoder.decoder
            and self._has_details(known)
            and (known.place_read or not self._wanted.place)
        )

    def record(
        self, found: ExistingObject, sha256: str, image: EncodedImage, *, reused: bool = False
    ) -> PlannedWrite:
        """Index a readable image; `reused` where another one of the same bytes was encoded."""
        details = image.details
        exif = dict(details.exif) if details else {}
        small = details.thumbnail if details else None
        no_small = None if small is None else ""
        document = replace(
            self._document(found),
            sha256=sha256,
            content_type=image.content_type,
            width=image.width,
            height=image.height,
            taken_at=image.taken_at,
            metadata=_shown(exif, found.state),
            exif=exif,
            latitude=details.latitude if details else None,
            longitude=details.longitude if details else None,
            place_read=self._wanted.place,
            phash=details.phash if details else None,
            miniature=details.miniature if details else None,
            contrasts=details.contrasts if details else None,
            thumbnail=thumbnail_key(found.ref, sha256, found.seen.version) if small else no_small,
            truncated=image.truncated,
        )
        put = Put(document, image.embedding, found.seen.version)
        outcome = _outcome(document, OutcomeKind.INDEXED, reused)
        return PlannedWrite(found.seen, put, outcome, small)

    def same_bytes(self, found: ExistingObject, sha256: str) -> PlannedWrite | None:
        """Only the state is new where these are the bytes that the key's record describes."""
        known, version = found.seen.document, found.seen.version
        if not (known and version and known.sha256 == sha256 and self.is_complete(known)):
            return None
        same = replace(self._without_unwanted(known), etag=found.state.etag, size=found.state.size)
        return self._update(found.seen, found.state, same, version)

    def reuse(self, found: ExistingObject, known: Known) -> PlannedWrite:
        """Index an image by the record of another one of the same bytes."""
        small = known.thumbnail if self._wanted.thumbnail else None
        no_small = "" if self._wanted.thumbnail and known.document.thumbnail is not None else None
        own = self._document(found)
        document = replace(
            self._without_unwanted(known.document),
            ref=own.ref,
            etag=own.etag,
            last_modified=own.last_modified,
            size=own.size,
            indexed_at=own.indexed_at,
            metadata=_shown(known.document.exif, found.state),
            thumbnail=thumbnail_key(found.ref, known.sha256, found.seen.version)
            if small
            else no_small,
            neighbours=None,
        )
        put = Put(document, known.embedding, found.seen.version)
        outcome = _outcome(document, OutcomeKind.INDEXED, reused=True)
        return PlannedWrite(found.seen, put, outcome, small)

    def _without_unwanted(self, known: Document) -> Document:
        """Where a picture was taken is kept only as long as that is wanted."""
        if self._wanted.place:
            return known
        return replace(known, latitude=None, longitude=None, place_read=False)

    def reject(self, found: ExistingObject, reason: str) -> PlannedWrite:
        """List an unreadable image with its reason; an older good version is found no more."""
        document = replace(self._document(found), status=Status.REJECTED, reason=reason)
        put = Put(document, None, found.seen.version)
        return PlannedWrite(found.seen, put, Outcome(found.ref, OutcomeKind.REJECTED, reason))

    def refuse(self, found: ExistingObject, reason: str) -> Outcome | PlannedWrite:
        """List an image whose bytes the bucket does not give, until a later look gets them.

        An image that was indexed with these bytes stays so. An object whose name is no image's is
        left alone: only its bytes could tell.
        """
        known = found.seen.document
        if known and known.status is Status.INDEXED and known.etag == found.state.etag:
            return _outcome(known, OutcomeKind.UNCHANGED)
        if not named_as_image(found.ref.key):
            return self.skip(found)
        document = replace(
            self._document(found), status=Status.REJECTED, reason=reason, decoder=UNREAD
        )
        if known and replace(document, indexed_at=known.indexed_at, model=known.model) == known:
            return _outcome(known, OutcomeKind.UNCHANGED)
        put = Put(document, None, found.seen.version)
        return PlannedWrite(found.seen, put, Outcome(found.ref, OutcomeKind.REJECTED, reason))

    def skip(self, found: ExistingObject) -> Outcome | PlannedWrite:
        """Leave alone what is no image; what it overwrote is forgotten."""
        outcome = Outcome(found.ref, OutcomeKind.SKIPPED)
        return self.forget(found.seen, outcome) if found.seen.document else outcome

    def forget(self, seen: Observed, outcome: Outcome) -> Outcome | PlannedWrite:
        """Delete even what the index does not hold: a write on its way must find it deleted."""
        if seen.stored and seen.document is None:
            return outcome
        return PlannedWrite(seen, Delete(seen.ref, seen.version), outcome)

    def _update(
        self, seen: Observed, state: ObjectState, known: Document, version: Version
    ) -> PlannedWrite:
        """The same bytes were written again, perhaps with other metadata: nothing to embed."""
        document = replace(
            known,
            last_modified=state.last_modified,
            metadata=_shown(known.exif, state),
            indexed_at=self._clock(),
        )
        return PlannedWrite(seen, Touch(document, version), _outcome(document, OutcomeKind.UPDATED))

    def _document(self, found: ExistingObject) -> Document:
        return Document(
            ref=found.ref,
            status=Status.INDEXED,
            etag=found.state.etag,
            last_modified=found.state.last_modified,
            size=found.state.size,
            indexed_at=self._clock(),
            model=self._encoder.model,
            decoder=self._encoder.decoder,
            metadata=dict(found.state.metadata),
        )


def _outcome(document: Document, kind: OutcomeKind, reused: bool = False) -> Outcome:
    unlinked = document.status is Status.INDEXED and document.neighbours is None
    return Outcome(document.ref, kind, document.reason or "", unlinked, reused)


def _shown(exif: Mapping[str, str], state: ObjectState) -> dict[str, str]:
    """What the file tells, unless who wrote the object says otherwise."""
    return {**exif, **state.metadata}
