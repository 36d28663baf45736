"""Use case: list the records of the index page by page, by key or by capture time."""

from dataclasses import dataclass
from enum import StrEnum

from imagesearch.domain.filters import AllOf, Filter, KeyPrefix
from imagesearch.domain.images import Document, Status
from imagesearch.domain.ports import VectorIndex
from imagesearch.domain.queries import Selection, TimePosition
from imagesearch.search.pagination import MAX_LIMIT, check_limit, seal_time, unseal_time


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
    filter: Filter | None = None

    @property
    def selection(self) -> Selection:
        """The documents of the list."""
        prefix = () if self.prefix is None else (KeyPrefix(self.prefix),)
        filters = (*prefix, self.filter) if self.filter else prefix
        return Selection(self.status, self.collection, AllOf(filters) if filters else None)


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of records; `cursor` is that of the next page, None on the last one."""

    documents: list[Document]
    cursor: str | None


def list_page(index: VectorIndex, request: ListRequest) -> ListPage:
    """The page of records from the cursor on; raises InvalidQuery, Unavailable."""
    check_limit(request.limit)
    identity = f"list {request.order} {request.selection!r}"
    after = unseal_time(request.cursor, identity)
    # One record more than the page holds shows that a next page exists.
    documents = _documents(index, request, after)
    page, more = documents[: request.limit], len(documents) > request.limit
    return ListPage(page, seal_time(page[-1], identity) if more else None)


def _documents(
    index: VectorIndex, request: ListRequest, after: TimePosition | None
) -> list[Document]:
    selection = request.selection
    if request.order is Order.KEY:
        last = after.key if after else None
        return index.list_documents(selection, after=last, limit=request.limit + 1)
    newest_first = request.order is Order.NEWEST_FIRST
    return index.list_by_time(
        selection, newest_first=newest_first, after=after, limit=request.limit + 1
    )
