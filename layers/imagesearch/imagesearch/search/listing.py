"""Use case: list the records of the index page by page, by key or by capture time."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from imagesearch.domain.filters import Filter, KeyPrefix
from imagesearch.domain.images import Document, Status
from imagesearch.domain.ports import VectorIndex
from imagesearch.domain.queries import Selection, TimePosition
from imagesearch.search.pagination import MAX_LIMIT, check_limit, seal, unseal


class Order(StrEnum):
    """The order of a list; images without a capture time are last in both orders by time."""

    KEY = "key"
    OLDEST_FIRST = "taken_at"
    NEWEST_FIRST = "-taken_at"


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A request for one page of records."""

    status: Status | None = None
    collection: str | None = None
    prefix: str | None = None
    order: Order = Order.KEY
    cursor: str | None = None
    limit: int = MAX_LIMIT


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of records; `cursor` is that of the next page, None on the last one."""

    documents: list[Document]
    cursor: str | None


def list_page(index: VectorIndex, wanted: ListRequest) -> ListPage:
    """The page of records from the cursor on; raises InvalidQuery, Unavailable."""
    check_limit(wanted.limit)
    request = f"list {wanted.order} {wanted.status} {wanted.collection!r} {wanted.prefix!r}"
    after = _position(wanted.cursor, request)
    # One record more than the page holds shows that a next page exists.
    found = _found(index, wanted, after)
    page, more = found[: wanted.limit], len(found) > wanted.limit
    return ListPage(page, _cursor(page[-1], request) if more else None)


def _found(index: VectorIndex, wanted: ListRequest, after: TimePosition | None) -> list[Document]:
    filter: Filter | None = None if wanted.prefix is None else KeyPrefix(wanted.prefix)
    selection = Selection(wanted.status, wanted.collection, filter)
    if wanted.order is Order.KEY:
        last = after.key if after else None
        return index.list_documents(selection, after=last, limit=wanted.limit + 1)
    newest_first = wanted.order is Order.NEWEST_FIRST
    return index.list_by_time(
        selection, newest_first=newest_first, after=after, limit=wanted.limit + 1
    )


def _position(cursor: str | None, request: str) -> TimePosition | None:
    if not cursor:
        return None
    key, taken = unseal(cursor, request)
    return TimePosition(datetime.fromisoformat(str(taken)) if taken else None, str(key))


def _cursor(last: Document, request: str) -> str:
    return seal([last.ref.key, last.taken_at.isoformat() if last.taken_at else None], request)
