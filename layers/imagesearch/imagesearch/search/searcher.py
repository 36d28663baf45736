"""Use case: turn queries into hits, and tell what the index holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from imagesearch.domain.errors import ImageSearchError, InvalidQuery
from imagesearch.domain.images import Document
from imagesearch.domain.ports import ImageEncoder, IndexHealth, TextEncoder, VectorIndex, WebImages
from imagesearch.domain.queries import Hit, Search, VectorQuery
from imagesearch.search.listing import Listed, Listing, list_page
from imagesearch.search.pagination import Page, page_of
from imagesearch.search.query_encoder import Found, QueryEncoder, no_such_image
from imagesearch.search.relevance import Judge, Relevance, check_min_relevance, judge
from imagesearch.search.search_ids import SearchIds
from imagesearch.search.timing import Stopwatch, Timing


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    search_id: str
    model: str
    took_ms: Timing
    hits: list[Hit]
    cursor: str | None


class Searcher:
    """Answers from the index; raises InvalidQuery, NotFound, UnreadableImage, Unavailable.

    Without `relevance` (a model that is not calibrated) hits have a score alone; without `web`
    nothing is fetched.
    """

    def __init__(
        self,
        index: VectorIndex,
        texts: TextEncoder,
        images: ImageEncoder,
        relevance: Relevance | None = None,
        web: WebImages | None = None,
    ) -> None:
        self._index = index
        self._texts = texts
        self._relevance = relevance
        self._query_encoder = QueryEncoder(index, texts, images, web)
        self._ids = SearchIds(texts.model)

    @property
    def model(self) -> str:
        """The name of the model that embeds the queries."""
        return self._texts.model

    def health(self) -> IndexHealth:
        """How the index is; raises Unavailable when a search would fail."""
        self._texts.encode_texts(["a photo"])
        return self._index.health()

    def search(self, search: Search) -> SearchAnswer:
        """The nearest images, nearest first; pages go to a depth of `MAX_DEPTH` hits."""
        [answer] = self.search_many([search])
        if isinstance(answer, ImageSearchError):
            raise answer
        return answer

    def search_many(self, searches: Sequence[Search]) -> list[SearchAnswer | ImageSearchError]:
        """The answer to each search or why it has none, asked all at once.

        The times are those of all together. Raises Unavailable alone.
        """
        watch = Stopwatch()
        asked = self._asked(searches)
        watch.embedded()
        hits = iter(self._nearest([each.query for each in asked if isinstance(each, _Asked)]))
        took = watch.read()
        return [
            self._answer(each, next(hits), took) if isinstance(each, _Asked) else each
            for each in asked
        ]

    def list_documents(self, wanted: Listed = Listed()) -> Listing:  # noqa: B008 - frozen
        """Records of what the index has looked at."""
        return list_page(self._index, wanted)

    def document(self, id: str) -> Document:
        """One image's record; raises NotFound."""
        stored = self._index.get([id]).get(id)
        if not stored or not stored.document:
            raise no_such_image(id)
        return stored.document

    def _asked(self, searches: Sequence[Search]) -> list["_Asked | ImageSearchError"]:
        """What to ask of the index for each search, or why that cannot be asked."""
        pages = [self._page(search) for search in searches]
        good = [page.search.query for page in pages if isinstance(page, Page)]
        vectors = iter(self._query_encoder.encode(good))
        return [
            self._ask(page, next(vectors)) if isinstance(page, Page) else page for page in pages
        ]

    def _page(self, search: Search) -> Page | InvalidQuery:
        try:
            check_min_relevance(search.min_relevance, self._relevance, self.model)
            return page_of(search, self.model)
        except InvalidQuery as error:
            return error

    def _ask(self, page: Page, vector: Found) -> "_Asked | ImageSearchError":
        if isinstance(vector, ImageSearchError):
            return vector
        judging = judge(self._relevance, vector, page.search.query)
        least = judging.min_score(page.search.min_relevance)
        return _Asked(page, judging, page.wanted(vector, least))

    def _nearest(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        if len(queries) == 1:
            return [self._index.search(queries[0])]
        return self._index.search_many(queries) if queries else []

    def _answer(self, asked: "_Asked", hits: list[Hit], took: Timing) -> SearchAnswer:
        page = asked.page
        return SearchAnswer(
            search_id=self._ids.seal(page.search.query, asked.query.embedding),
            model=self.model,
            took_ms=took,
            hits=asked.judge.judged(hits[: page.limit]),
            cursor=page.cursor(hits),
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A page of a search, what is asked of the index for it, and how its hits are judged."""

    page: Page
    judge: Judge
    query: VectorQuery
