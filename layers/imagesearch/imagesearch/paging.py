"""Pages of an answer: how many hits one has, how deep they go, and where the next one begins."""

from collections.abc import Sequence
from dataclasses import dataclass

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding, Hit, Position, VectorQuery
from imagesearch.domain.queries import Search, fingerprint, left_out
from imagesearch.search.pagination import place, seal_place

MAX_LIMIT = 100
MAX_DEPTH = 1_000


@dataclass(frozen=True, slots=True)
class Page:
    """Up to `limit` hits of a search, behind `after`, with `depth` hits before them."""

    search: Search
    request: str
    after: Position | None
    depth: int

    @property
    def limit(self) -> int:
        return min(self.search.limit, MAX_DEPTH - self.depth)

    def wanted(self, embedding: Embedding, min_score: float | None) -> VectorQuery:
        """One more than the page holds tells whether there is another page."""
        search = self.search
        return VectorQuery(
            embedding,
            self.limit + 1,
            search.collection,
            exclude=left_out(search.query),
            after=self.after,
            min_score=min_score,
            filter=search.filter,
        )

    def cursor(self, hits: Sequence[Hit]) -> str | None:
        """Where the next page begins, behind the page that these hits are and one of the next."""
        depth = self.depth + self.limit
        if len(hits) <= self.limit or depth >= MAX_DEPTH:
            return None
        last = hits[self.limit - 1]
        return seal_place(last.score, last.document.id, depth, self.request)


def page_of(search: Search, model: str) -> Page:
    """The page that a search asks for; raises InvalidQuery for a limit or a cursor not for it."""
    check_limit(search.limit)
    request = f"{model} {fingerprint(search)}"
    return Page(search, request, *place(search.cursor, request))


def check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidQuery(
            f"limit is {limit}", f"ask for 1 to {MAX_LIMIT} at a time", code="invalid_limit"
        )
