"""Plans the write that makes the index equal the bucket on one key; the indexer executes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from imagesearch.domain.images import (
    DetailOptions,
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

# The `decoder` in the record of an image that was not read: every decoder is newer than that.
UNREAD = "none"


class OutcomeKind(StrEnum):
    """The result of processing a key; FAILED keys must be processed again, the others are final.

    UPDATED: the metadata or the state changed, the content did not. SKIPPED: not an image.
    """

    INDEXED = "indexed"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of processing one key.

    unlinked: the duplicates of the image have not been searched for.
    reused: the embedding was taken from an image with the same bytes.
    """

    ref: ImageRef
    kind: OutcomeKind
    reason: str = ""
    unlinked: bool = False
    reused: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """A key as observed in one round; `state` is None if the bucket has no such object."""

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
    """An observed key whose object exists and may have to be read."""

    observed: Observed
    state: ObjectState

    @property
    def ref(self) -> ImageRef:
        return self.observed.ref


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """A write and its outcome if it succeeds and the object has not changed in the meantime.

    `thumbnail` is the content of the thumbnail that the document names, `large_thumbnail` that of
    the larger one.
    """

    observed: Observed
    write: Write
    outcome: Outcome
    thumbnail: bytes | None = None
    large_thumbnail: bytes | None = None

    @property
    def ref(self) -> ImageRef:
        return self.observed.ref


@dataclass(frozen=True, slots=True)
class KnownContent:
    """A record that describes some bytes, with its embedding [D] float32 and its thumbnails."""

    document: Document
    embedding: Embedding
    thumbnail: bytes | None = None
    large_thumbnail: bytes | None = None

    @property
    def sha256(self) -> str:
        return self.document.sha256 or ""


class Planner:
    """Decides by the observed states, and creates the documents; performs no I/O."""

    def __init__(
        self,
        encoder: ImageEncoder,
        clock: Callable[[], datetime],
        details: DetailOptions = DetailOptions(),  # noqa: B008 - frozen
        force: bool = False,
        index_name: str = "",
    ) -> None:
        """With `force`, objects are read even if their state has not changed.

        Keys of thumbnails depend on `index_name`: versions of two indexes may be equal.
        """
        self._force = force
        self._index_name = index_name
        self._encoder = encoder
        self._clock = clock
        self._details = details

    def decide(self, observed: Observed) -> Outcome | PlannedWrite | ExistingObject:
        """An outcome if there is nothing to do, a write, or an object that must be read."""
        state, known = observed.state, observed.document
        if state is None:
            return self.forget(observed, Outcome(observed.ref, OutcomeKind.DELETED))
        same = known and known.etag == state.etag and not self._force
        if known and observed.stored and same and self._is_current(known, state):
            # S3 rounds times to seconds: metadata can change while the time does not.
            metadata = _metadata(known.exif, state)
            if (known.last_modified, known.metadata) == (state.last_modified, metadata):
                return _outcome(known, OutcomeKind.UNCHANGED)
            return self._update(observed, state, known, observed.stored.version)
        return ExistingObject(observed, state)

    def _is_current(self, known: Document, state: ObjectState) -> bool:
        """True if decoding the same bytes again would not change the record.

        A newer decoder may decode a rejected file. Older releases created no miniature, deployments
        without a derived store no thumbnail, and some decoders returned the thumbnail of a camera
        RAW file as a TIFF. An indexed image remains indexed when its object is archived.
        """
        if known.status is Status.INDEXED:
            if state.unreadable:
                return True
            if may_be_thumbnail(known.ref.key, known.content_type):
                return known.decoder == self._encoder.decoder and self._has_details(known)
            return self._has_details(known)
        return known.decoder == self._encoder.decoder

    def _has_details(self, known: Document) -> bool:
        has_thumbnail = known.thumbnail is not None or not self._details.thumbnail
        return known.miniature is not None and has_thumbnail

    def is_complete(self, known: Document) -> bool:
        """True if the record of an indexed image has all that decoding its file would add now."""
        return (
            known.status is Status.INDEXED
            and known.decoder == self._encoder.decoder
            and self._has_details(known)
            and (known.place_read or not self._details.gps)
        )

    def record(
        self, existing: ExistingObject, sha256: str, image: EncodedImage, *, reused: bool = False
    ) -> PlannedWrite:
        """Index a decoded image; `reused` if an image with the same bytes was encoded before it."""
        details = image.details
        exif = dict(details.exif) if details else {}
        thumbnail = details.thumbnail if details else None
        large = details.large_thumbnail if details and thumbnail else None
        no_thumbnail = None if thumbnail is None else ""
        document = replace(
            self._document(existing),
            sha256=sha256,
            content_type=image.content_type,
            width=image.width,
            height=image.height,
            taken_at=image.taken_at,
            taken_offset=image.taken_offset,
            metadata=_metadata(exif, existing.state),
            exif=exif,
            latitude=details.latitude if details else None,
            longitude=details.longitude if details else None,
            place_read=self._details.gps,
            phash=details.phash if details else None,
            miniature=details.miniature if details else None,
            contrasts=details.contrasts if details else None,
            thumbnail=self._thumbnail_key(existing, sha256, thumbnail, large)
            if thumbnail
            else no_thumbnail,
            large_thumbnail=bool(large),
            truncated=image.truncated,
        )
        put = Put(document, image.embedding, existing.observed.version)
        outcome = _outcome(document, OutcomeKind.INDEXED, reused)
        return PlannedWrite(existing.observed, put, outcome, thumbnail, large)

    def same_bytes(self, existing: ExistingObject, sha256: str) -> PlannedWrite | None:
        """An update of the state if the key's record describes these bytes; else None."""
        known, version = existing.observed.document, existing.observed.version
        if not (known and version and known.sha256 == sha256 and self.is_complete(known)):
            return None
        same = replace(
            self._without_unrequested(known), etag=existing.state.etag, size=existing.state.size
        )
        return self._update(existing.observed, existing.state, same, version)

    def reuse(self, existing: ExistingObject, known: KnownContent) -> PlannedWrite:
        """Index an image by the record of another image with the same bytes."""
        thumbnail = known.thumbnail if self._details.thumbnail else None
        large = known.large_thumbnail if thumbnail else None
        has_none = self._details.thumbnail and known.document.thumbnail is not None
        own = self._document(existing)
        document = replace(
            self._without_unrequested(known.document),
            ref=own.ref,
            etag=own.etag,
            last_modified=own.last_modified,
            size=own.size,
            indexed_at=own.indexed_at,
            metadata=_metadata(known.document.exif, existing.state),
            thumbnail=self._thumbnail_key(existing, known.sha256, thumbnail, large)
            if thumbnail
            else ("" if has_none else None),
            large_thumbnail=bool(large),
            neighbors=None,
        )
        put = Put(document, known.embedding, existing.observed.version)
        outcome = _outcome(document, OutcomeKind.INDEXED, reused=True)
        return PlannedWrite(existing.observed, put, outcome, thumbnail, large)

    def _without_unrequested(self, known: Document) -> Document:
        """The record without coordinates, unless they are requested now."""
        if self._details.gps:
            return known
        return replace(known, latitude=None, longitude=None, place_read=False)

    def reject(self, existing: ExistingObject, reason: str) -> PlannedWrite:
        """Record that a file cannot be decoded; searches no longer find an older version of it."""
        document = replace(self._document(existing), status=Status.REJECTED, reason=reason)
        put = Put(document, None, existing.observed.version)
        return PlannedWrite(
            existing.observed, put, Outcome(existing.ref, OutcomeKind.REJECTED, reason)
        )

    def reject_unreadable(self, existing: ExistingObject, reason: str) -> Outcome | PlannedWrite:
        """Record that the content of an image cannot be read now.

        An image that was indexed with this content remains indexed. An object without an image
        extension is skipped: only its content would show that it is an image.
        """
        known = existing.observed.document
        if known and known.status is Status.INDEXED and known.etag == existing.state.etag:
            return _outcome(known, OutcomeKind.UNCHANGED)
        if not named_as_image(existing.ref.key):
            return self.skip(existing)
        document = replace(
            self._document(existing), status=Status.REJECTED, reason=reason, decoder=UNREAD
        )
        if known and replace(document, indexed_at=known.indexed_at, model=known.model) == known:
            return _outcome(known, OutcomeKind.UNCHANGED)
        put = Put(document, None, existing.observed.version)
        return PlannedWrite(
            existing.observed, put, Outcome(existing.ref, OutcomeKind.REJECTED, reason)
        )

    def skip(self, existing: ExistingObject) -> Outcome | PlannedWrite:
        """Skip an object that is not an image; delete the record of an image that it replaced."""
        outcome = Outcome(existing.ref, OutcomeKind.SKIPPED)
        return self.forget(existing.observed, outcome) if existing.observed.document else outcome

    def forget(self, observed: Observed, outcome: Outcome) -> Outcome | PlannedWrite:
        """Delete an entry, also one that does not exist: a pending write must meet a conflict."""
        if observed.stored and observed.document is None:
            return outcome
        return PlannedWrite(observed, Delete(observed.ref, observed.version), outcome)

    def _update(
        self, observed: Observed, state: ObjectState, known: Document, version: Version
    ) -> PlannedWrite:
        """Write the state and the metadata of an object whose content has not changed."""
        document = replace(
            known,
            last_modified=state.last_modified,
            metadata=_metadata(known.exif, state),
            indexed_at=self._clock(),
        )
        return PlannedWrite(
            observed, Touch(document, version), _outcome(document, OutcomeKind.UPDATED)
        )

    def _thumbnail_key(
        self, existing: ExistingObject, sha256: str, thumbnail: bytes, large: bytes | None
    ) -> str:
        write = self._index_name, existing.observed.version
        return thumbnail_key(existing.ref, sha256, write, thumbnail, large)

    def _document(self, existing: ExistingObject) -> Document:
        return Document(
            ref=existing.ref,
            status=Status.INDEXED,
            etag=existing.state.etag,
            last_modified=existing.state.last_modified,
            size=existing.state.size,
            indexed_at=self._clock(),
            model=self._encoder.model,
            decoder=self._encoder.decoder,
            metadata=dict(existing.state.metadata),
        )


def _outcome(document: Document, kind: OutcomeKind, reused: bool = False) -> Outcome:
    unlinked = document.status is Status.INDEXED and document.neighbors is None
    return Outcome(document.ref, kind, document.reason or "", unlinked, reused)


def _metadata(exif: Mapping[str, str], state: ObjectState) -> dict[str, str]:
    """The EXIF entries, overridden by the metadata of the object."""
    return {**exif, **state.metadata}
