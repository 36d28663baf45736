"""Use case: records page by page, by key or by when the images were taken."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imagesearch.domain.filters import Filter, KeyPrefix
from imagesearch.domain.images import Document, Status
from imagesearch.domain.ports import VectorIndex
from imagesearch.domain.queries import Selection, TakenPlace
from imagesearch.search.pagination import MAX_LIMIT, check_limit, seal, unseal


class Order(StrEnum):
    """By when they were taken, those that no camera dated come last, either way round."""

    KEY = "key"
    OLDEST_FIRST = "taken_at"
    NEWEST_FIRST = "-taken_at"


@dataclass(frozen=True, slots=True)
class Listed:
    """Which records are wanted, up to `limit` of them, and in which order."""

    status: Status | None = None
    collection: str | None = None
    prefix: str | None = None
    order: Order = Order.KEY
    cursor: str | None = None
    limit: int = MAX_LIMIT


@dataclass(frozen=True, slots=True)
class Listing:
    documents: list[Document]
    cursor: str | None


def list_page(index: VectorIndex, wanted: Listed) -> Listing:
    """The records behind the cursor; raises InvalidQuery, Unavailable."""
    check_limit(wanted.limit)
    request = f"list {wanted.order} {wanted.status} {wanted.collection!r} {wanted.prefix!r}"
    after = _place(wanted.cursor, request)
    # One more than the page holds tells whether there is another page.
    found = _found(index, wanted, after)
    page, more = found[: wanted.limit], len(found) > wanted.limit
    return Listing(page, _cursor(page[-1], request) if more else None)


def _found(index: VectorIndex, wanted: Listed, after: TakenPlace | None) -> list[Document]:
    filter: Filter | None = None if wanted.prefix is None else KeyPrefix(wanted.prefix)
    selection = Selection(wanted.status, wanted.collection, filter)
    if wanted.order is Order.KEY:
        last = after.key if after else None
        return index.list_documents(selection, after=last, limit=wanted.limit + 1)
    newest_first = wanted.order is Order.NEWEST_FIRST
    return index.list_by_time(
        selection, newest_first=newest_first, after=after, limit=wanted.limit + 1
    )


def _place(cursor: str | None, request: str) -> TakenPlace | None:
    if not cursor:
        return None
    key, taken = unseal(cursor, request)
    return TakenPlace(datetime.fromisoformat(str(taken)) if taken else None, str(key))


def _cursor(last: Document, request: str) -> str:
    return seal([last.ref.key, last.taken_at.isoformat() if last.taken_at else None], request)
