"""What one key needs so that the index agrees with the bucket: decided here, done by indexing."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from imagesearch.derived_keys import thumbnail_key
from imagesearch.domain import (
    Document,
    EncodedImage,
    ImageRef,
    ObjectState,
    Status,
)
from imagesearch.ports import ImageEncoder
from imagesearch.writes import Delete, Put, Stored, Touch, Version, Write


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

    An image that is `unlinked` may have duplicates that nobody has looked for.
    """

    ref: ImageRef
    kind: OutcomeKind
    reason: str = ""
    unlinked: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
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
class Present:
    """A key with an object behind it, which may have to be read."""

    seen: Seen
    state: ObjectState

    @property
    def ref(self) -> ImageRef:
        return self.seen.ref


@dataclass(frozen=True, slots=True)
class Planned:
    """A write and what to report once it is written and the bucket is still as it was seen.

    `thumbnail` is the small copy that its document names.
    """

    seen: Seen
    write: Write
    outcome: Outcome
    thumbnail: bytes | None = None

    @property
    def ref(self) -> ImageRef:
        return self.seen.ref


class Planner:
    """Decides from what was seen, and makes the documents; knows no I/O."""

    def __init__(
        self, encoder: ImageEncoder, clock: Callable[[], datetime], thumbnails: bool = False
    ) -> None:
        self._encoder = encoder
        self._clock = clock
        self._thumbnails = thumbnails

    def decide(self, seen: Seen) -> Outcome | Planned | Present:
        """Nothing to do, a write, or a Present whose object must be read."""
        state, known = seen.state, seen.document
        if state is None:
            return self.forget(seen, Outcome(seen.ref, OutcomeKind.DELETED))
        if known and seen.stored and known.etag == state.etag and self._stands(known):
            # S3 tells times in seconds: metadata can be new though the time is not.
            metadata = _shown(known.exif, state)
            if (known.last_modified, known.metadata) == (state.last_modified, metadata):
                return _outcome(known, OutcomeKind.UNCHANGED)
            return self._update(seen, state, known, seen.stored.version)
        return Present(seen, state)

    def _stands(self, known: Document) -> bool:
        """Whether what these bytes gave still holds.

        A newer decoder may read what was rejected; an older release made no miniature, and one
        without a derived store no thumbnail.
        """
        if known.status is Status.INDEXED:
            return known.miniature is not None and bool(known.thumbnail or not self._thumbnails)
        return known.decoder == self._encoder.decoder

    def record(self, found: Present, data: bytes, image: EncodedImage) -> Planned:
        """Index a readable image."""
        details = image.details
        exif = dict(details.exif) if details else {}
        sha256 = hashlib.sha256(data).hexdigest()
        small = details.thumbnail if details else None
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
            phash=details.phash if details else None,
            miniature=details.miniature if details else None,
            contrasts=details.contrasts if details else None,
            thumbnail=thumbnail_key(found.ref, sha256, found.seen.version) if small else None,
        )
        put = Put(document, image.embedding, found.seen.version)
        return Planned(found.seen, put, _outcome(document, OutcomeKind.INDEXED), small)

    def reject(self, found: Present, reason: str) -> Planned:
        """List an unreadable image with its reason; an older good version is found no more."""
        document = replace(self._document(found), status=Status.REJECTED, reason=reason)
        put = Put(document, None, found.seen.version)
        return Planned(found.seen, put, Outcome(found.ref, OutcomeKind.REJECTED, reason))

    def skip(self, found: Present) -> Outcome | Planned:
        """Leave alone what is no image; what it overwrote is forgotten."""
        outcome = Outcome(found.ref, OutcomeKind.SKIPPED)
        return self.forget(found.seen, outcome) if found.seen.document else outcome

    def forget(self, seen: Seen, outcome: Outcome) -> Outcome | Planned:
        """Delete even what the index does not hold: a write on its way must find it deleted."""
        if seen.stored and seen.document is None:
            return outcome
        return Planned(seen, Delete(seen.ref, seen.version), outcome)

    def _update(self, seen: Seen, state: ObjectState, known: Document, version: Version) -> Planned:
        """The same bytes were written again, perhaps with other metadata: nothing to embed."""
        document = replace(
            known,
            last_modified=state.last_modified,
            metadata=_shown(known.exif, state),
            indexed_at=self._clock(),
        )
        return Planned(seen, Touch(document, version), _outcome(document, OutcomeKind.UPDATED))

    def _document(self, found: Present) -> Document:
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


def _outcome(document: Document, kind: OutcomeKind) -> Outcome:
    unlinked = document.status is Status.INDEXED and document.neighbours is None
    return Outcome(document.ref, kind, document.reason or "", unlinked)


def _shown(exif: Mapping[str, str], state: ObjectState) -> dict[str, str]:
    """What the file tells, unless who wrote the object says otherwise."""
    return {**exif, **state.metadata}
