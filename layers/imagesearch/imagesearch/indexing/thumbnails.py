"""Stores and deletes thumbnails together with the documents that name them."""

from dataclasses import dataclass, replace

from imagesearch.domain.images import Document
from imagesearch.domain.ports import DerivedStore, Touch
from imagesearch.domain.storage_keys import large_thumbnail_key
from imagesearch.indexing.planner import Observed, PlannedWrite

CONTENT_TYPE = "image/webp"


@dataclass(frozen=True, slots=True)
class ThumbnailChange:
    """The keys of the thumbnails that a write deletes and stores."""

    removed: str | None = None
    added: str | None = None


UNCHANGED = ThumbnailChange()


class Thumbnails:
    """Manages the thumbnails in a store; does nothing without one.

    A new thumbnail is stored before a document names it, and the old one is deleted before the
    document that names it is replaced. If either step fails, the key is processed again from the
    same state, and no thumbnail of a deleted image remains.
    """

    def __init__(self, store: DerivedStore | None) -> None:
        self._store = store

    @property
    def enabled(self) -> bool:
        return self._store is not None

    def prepare(self, plan: PlannedWrite) -> Exception | None:
        """Delete and store thumbnails before a write; returns the error instead of raising it.

        May be called from several threads.
        """
        try:
            change = thumbnail_change(plan)
            if self._store and change.removed:
                self._delete(self._store, change.removed)
            if self._store and change.added and plan.thumbnail:
                self._store.put(change.added, plan.thumbnail, CONTENT_TYPE)
                if plan.large_thumbnail:
                    large = large_thumbnail_key(change.added)
                    self._store.put(large, plan.large_thumbnail, CONTENT_TYPE)
        except Exception as error:
            return error
        return None

    def discard(self, change: ThumbnailChange, document: Document | None) -> None:
        """Delete the thumbnail that was stored for a write that met a conflict.

        It is kept if the current document names it. No later write can name it, because its key
        contains a version that is not reused. Raises Unavailable.
        """
        named = document.thumbnail if document else None
        if self._store and change.added and change.added != named:
            self._delete(self._store, change.added)

    @staticmethod
    def _delete(store: DerivedStore, thumbnail: str) -> None:
        """Delete a thumbnail after the larger one, which only its key leads to."""
        store.delete(large_thumbnail_key(thumbnail))
        store.delete(thumbnail)

    def drop_removed_thumbnail(self, change: ThumbnailChange, observed: Observed) -> Observed:
        """The observation, without the document's thumbnail if it has been deleted."""
        document = observed.document
        if not (document and observed.stored and document.thumbnail):
            return observed
        if document.thumbnail != change.removed:
            return observed
        without = replace(document, thumbnail=None, large_thumbnail=False)
        return replace(observed, stored=replace(observed.stored, document=without))


def thumbnail_change(plan: PlannedWrite) -> ThumbnailChange:
    """The thumbnails that a write adds and removes; a Touch changes none."""
    write, known = plan.write, plan.observed.document
    if isinstance(write, Touch):
        return UNCHANGED
    new = getattr(write, "document", None)
    added = new.thumbnail if new else None
    old = known.thumbnail if known else None
    return ThumbnailChange(old if old != added else None, added)
