"""Stores and deletes thumbnails together with the documents that name them."""

import logging
from dataclasses import dataclass

from imagesearch.domain.images import Document
from imagesearch.domain.ports import DerivedStore, Touch
from imagesearch.domain.storage_keys import large_thumbnail_key
from imagesearch.indexing.planner import PlannedWrite

# Earlier releases stored WebP, which is copied for images with the same bytes.
_WEBP = b"RIFF"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ThumbnailChange:
    """The keys of the thumbnails that a write makes superfluous and of those that it names."""

    removed: str | None = None
    added: str | None = None


UNCHANGED = ThumbnailChange()


class Thumbnails:
    """Manages the thumbnails in a store; does nothing without one.

    A new thumbnail is stored before a document names it, and the old one is deleted after the
    document that names it has been replaced: a record never names a missing thumbnail, wherever
    the process ends. Thumbnails that remain are deleted by `ThumbnailCleanup`.
    """

    def __init__(self, store: DerivedStore | None) -> None:
        self._store = store

    @property
    def enabled(self) -> bool:
        return self._store is not None

    def prepare(self, plan: PlannedWrite) -> Exception | None:
        """Store the thumbnail of a write before it; returns the error instead of raising it.

        May be called from several threads.
        """
        try:
            added = thumbnail_change(plan).added
            if self._store and added and plan.thumbnail:
                self._store.put(added, plan.thumbnail, _content_type(plan.thumbnail))
                if plan.large_thumbnail:
                    large = large_thumbnail_key(added)
                    content_type = _content_type(plan.large_thumbnail)
                    self._store.put(large, plan.large_thumbnail, content_type)
        except Exception as error:
            return error
        return None

    def remove_replaced(self, plan: PlannedWrite) -> None:
        """Delete the thumbnail that no document names after a successful write.

        An error is logged: the record is written. May be called from several threads.
        """
        removed = thumbnail_change(plan).removed
        try:
            if self._store and removed:
                _delete(self._store, removed)
        except Exception as error:
            _log.warning("a thumbnail remains until the next reconciliation: %s", error)

    def discard(self, change: ThumbnailChange, document: Document | None) -> None:
        """Delete the thumbnails of a write that met a conflict, except the one in use.

        No later write can name one of them, because a key contains a version that is not reused.
        Raises Unavailable.
        """
        named = document.thumbnail if document else None
        for key in (change.removed, change.added):
            if self._store and key and key != named:
                _delete(self._store, key)


def _content_type(thumbnail: bytes) -> str:
    return "image/webp" if thumbnail.startswith(_WEBP) else "image/jpeg"


def _delete(store: DerivedStore, thumbnail: str) -> None:
    """Delete a thumbnail after the larger one, which only its key leads to."""
    store.delete(large_thumbnail_key(thumbnail))
    store.delete(thumbnail)


def thumbnail_change(plan: PlannedWrite) -> ThumbnailChange:
    """The thumbnails that a write adds and removes; a Touch changes none."""
    write, known = plan.write, plan.observed.document
    if isinstance(write, Touch):
        return UNCHANGED
    new = getattr(write, "document", None)
    added = new.thumbnail if new else None
    old = known.thumbnail if known else None
    return ThumbnailChange(old if old != added else None, added)
