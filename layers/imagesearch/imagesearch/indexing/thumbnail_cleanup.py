"""Use case: delete the thumbnails that no record names.

The indexer deletes the thumbnail of an image with its record. Thumbnails remain where a write
failed for good, and where an index was dropped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from imagesearch.domain.ports import DerivedStore, VectorIndex
from imagesearch.domain.storage_keys import THUMBNAILS, large_thumbnail_key

KEYS_PER_LOOKUP = 500
# A thumbnail is stored before the record that names it, which is retried for about an hour.
MINIMUM_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """The numbers of listed and deleted thumbnails; the key to continue after, or None."""

    listed: int
    deleted: int
    rest: str | None


class ThumbnailCleanup:
    """Compares the derived store with `indexes`, which are all that may name its thumbnails."""

    def __init__(
        self,
        derived: DerivedStore,
        indexes: Callable[[], Sequence[VectorIndex]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._derived = derived
        self._indexes = indexes
        self._clock = clock

    def clean_up(self, after: str, stopping: Callable[[], bool]) -> CleanedUp:
        """Delete unnamed thumbnails after the key `after`, until `stopping` is true.

        Raises Unavailable.
        """
        indexes, old = self._indexes(), self._clock() - MINIMUM_AGE
        listed = deleted = 0
        for page in _pages(self._derived.list_keys(THUMBNAILS, after)):
            named = _named(indexes, [key for key, _ in page])
            for key, written in page:
                if key not in named and written < old:
                    self._derived.delete(key)
                    deleted += 1
            listed += len(page)
            after = page[-1][0]
            if stopping():
                return CleanedUp(listed, deleted, after)
        return CleanedUp(listed, deleted, None)


def _named(indexes: Sequence[VectorIndex], keys: Sequence[str]) -> set[str]:
    """The thumbnails that the records of these thumbnails' images name."""
    ids = list(dict.fromkeys(key.removeprefix(THUMBNAILS).partition("/")[0] for key in keys))
    small = {
        stored.document.thumbnail
        for index in indexes
        for stored in index.get(ids).values()
        if stored.document and stored.document.thumbnail
    }
    return small | {large_thumbnail_key(key) for key in small}


def _pages(listed: Iterator[tuple[str, datetime]]) -> Iterator[list[tuple[str, datetime]]]:
    while page := list(islice(listed, KEYS_PER_LOOKUP)):
        yield page
