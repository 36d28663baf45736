"""Keeps the small copies of images in step with the documents that name them."""

from dataclasses import dataclass, replace

from imagesearch.domain.images import Document
from imagesearch.domain.ports import DerivedStore, Touch
from imagesearch.indexing.planner import Observed, PlannedWrite

CONTENT_TYPE = "image/webp"


@dataclass(frozen=True, slots=True)
class ThumbnailChange:
    """What was done for a write that then met another version: copies `removed` and `made`."""

    removed: str | None = None
    made: str | None = None


UNCHANGED = ThumbnailChange()


class Thumbnails:
    """Without a store there are none.

    A copy is there before a document names it. What a document named goes before that is replaced:
    if either fails, the image is looked at again as it was, and no copy of what somebody deleted
    is left behind.
    """

    def __init__(self, store: DerivedStore | None) -> None:
        self._store = store

    @property
    def wanted(self) -> bool:
        return self._store is not None

    def prepare(self, plan: PlannedWrite) -> Exception | None:
        """What is to be done before a write; may be called from several threads."""
        try:
            spent = thumbnail_change(plan)
            if self._store and spent.removed:
                self._store.delete(spent.removed)
            if self._store and spent.made and plan.thumbnail:
                self._store.put(spent.made, plan.thumbnail, CONTENT_TYPE)
        except Exception as error:
            return error
        return None

    def discard(self, spent: ThumbnailChange, document: Document | None) -> None:
        """Remove what was made for a write that failed, unless the write it met made the same.

        The version in its name has passed: no later write can name it. Raises Unavailable.
        """
        named = document.thumbnail if document else None
        if self._store and spent.made and spent.made != named:
            self._store.delete(spent.made)

    def drop_removed_thumbnail(self, spent: ThumbnailChange, seen: Observed) -> Observed:
        """What was seen; a document that still names a copy that was removed has none."""
        document = seen.document
        if not (document and seen.stored and spent.removed and spent.removed == document.thumbnail):
            return seen
        bare = replace(document, thumbnail=None)
        return replace(seen, stored=replace(seen.stored, document=bare))


def thumbnail_change(plan: PlannedWrite) -> ThumbnailChange:
    """Which copies come and go with a write; one that only touches a record keeps what it has."""
    write, known = plan.write, plan.seen.document
    if isinstance(write, Touch):
        return UNCHANGED
    new = getattr(write, "document", None)
    made = new.thumbnail if new else None
    old = known.thumbnail if known else None
    return ThumbnailChange(old if old != made else None, made)
