"""Use case: list the collections of the index page by page, with their numbers of images."""

from dataclasses import dataclass

from imagesearch.domain.folders import CollectionCount
from imagesearch.domain.images import Status
from imagesearch.domain.ports import VectorIndex
from imagesearch.domain.queries import Selection
from imagesearch.search.pagination import MAX_LIMIT, check_limit, seal, unseal


@dataclass(frozen=True, slots=True)
class TreeRequest:
    """A request for one page of the collections up to `depth` levels below `parent`."""

    parent: str | None = None
    depth: int = 1
    cursor: str | None = None
    limit: int = MAX_LIMIT


@dataclass(frozen=True, slots=True)
class TreePage:
    """One page of collections; `cursor` is that of the next page, None on the last one."""

    collections: list[CollectionCount]
    cursor: str | None


def tree_page(index: VectorIndex, request: TreeRequest) -> TreePage:
    """The page of collections of indexed images; raises InvalidQuery, Unavailable."""
    check_limit(request.limit)
    identity = f"collections {request.parent!r} {request.depth}"
    after = str(unseal(request.cursor, identity, str)[0]) if request.cursor else None
    selection = Selection(Status.INDEXED, request.parent)
    # One collection more than the page holds shows that a next page exists.
    found = index.collections(selection, depth=request.depth, after=after, limit=request.limit + 1)
    page, more = found[: request.limit], len(found) > request.limit
    return TreePage(page, seal([page[-1].path], identity) if more else None)
