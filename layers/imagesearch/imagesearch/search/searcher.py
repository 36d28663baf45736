"""Use case: answer searches, and read the records of the index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from imagesearch.domain.errors import ImageSearchError, InvalidQuery
from imagesearch.domain.facets import Facets, facets_of
from imagesearch.domain.images import Document, Embedding
from imagesearch.domain.ports import ImageEncoder, IndexHealth, TextEncoder, VectorIndex, WebImages
from imagesearch.domain.queries import Hit, HitOrder, Search, Selection, VectorQuery
from imagesearch.search.collection_tree import TreePage, TreeRequest, tree_page
from imagesearch.search.listing import ListPage, ListRequest, list_page
from imagesearch.search.pagination import MAX_DEPTH, Page, page_of
from imagesearch.search.query_adapter import QueryAdapter
from imagesearch.search.query_encoder import EncodedSearch, QueryEncoder, indexed_image_not_found
from imagesearch.search.query_language import LanguageNotices
from imagesearch.search.refinement import check_opinions
from imagesearch.search.relevance import (
    QueryRelevance,
    Relevance,
    check_min_relevance,
    query_relevance,
    with_relevance,
)
from imagesearch.search.search_ids import SearchIds
from imagesearch.search.timing import Stopwatch, Timing


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """One page of hits, nearest first; `cursor` is that of the next page, None on the last one.

    `search_id` is None unless requested. `notice` is a sentence about the query for the user,
    `adapter` the name of the query adapter in use; each is None if there is none.
    """

    search_id: str | None
    model: str
    took_ms: Timing
    hits: list[Hit]
    cursor: str | None
    notice: str | None = None
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class SearchFacets:
    """The facets of a search's hits; not `complete` if it may have more than MAX_DEPTH."""

    facets: Facets
    complete: bool


class Searcher:
    """Answers searches from an index.

    Raises InvalidQuery, NotFound, PayloadTooLarge, UnreadableImage, Unavailable.

    Without `relevance` (the model is not calibrated), hits have a score only. Without `web`, images
    cannot be given by URL, and without `ids` no search has an id. `languages` adds notices to
    queries in a language that the model does not understand. `adapter` returns the query adapter in
    use, for each request.
    """

    def __init__(
        self,
        index: VectorIndex,
        texts: TextEncoder,
        images: ImageEncoder,
        relevance: Relevance | None = None,
        web: WebImages | None = None,
        languages: LanguageNotices | None = None,
        ids: SearchIds | None = None,
        adapter: Callable[[], QueryAdapter | None] = lambda: None,
    ) -> None:
        self._index = index
        self._languages = languages
        self._adapter = adapter
        self._texts = texts
        self._relevance = relevance
        self._query_encoder = QueryEncoder(index, texts, images, web)
        self._ids = ids or SearchIds(texts.model)
        self._embeds_texts = False

    @property
    def model(self) -> str:
        """The name of the model that embeds the queries."""
        return self._texts.model

    def health(self) -> IndexHealth:
        """The health of the index; raises Unavailable if a search would fail."""
        if not self._embeds_texts:
            self._texts.encode_texts(["a photo"])
            self._embeds_texts = True
        return self._index.health()

    def search(self, search: Search) -> SearchAnswer:
        """The nearest images, nearest first; cursors lead to a depth of `MAX_DEPTH` hits."""
        [answer] = self.search_many([search])
        if isinstance(answer, ImageSearchError):
            raise answer
        return answer

    def search_many(self, searches: Sequence[Search]) -> list[SearchAnswer | ImageSearchError]:
        """Answer several searches in one batch: for each its answer, or its error.

        `took_ms` is the time of the whole batch. Raises Unavailable, and PayloadTooLarge for texts
        that have too many tokens in total.
        """
        watch = Stopwatch()
        adapter = self._adapter()
        requests = self._requests(searches, adapter)
        watch.embedded()
        hits = iter(self._nearest([each.query for each in requests if isinstance(each, _Request)]))
        took = watch.read()
        return [
            self._answer(each, next(hits), took, adapter) if isinstance(each, _Request) else each
            for each in requests
        ]

    def list_documents(self, request: ListRequest = ListRequest()) -> ListPage:  # noqa: B008 - frozen
        """One page of the records of indexed and rejected images."""
        return list_page(self._index, request)

    def list_facets(self, selection: Selection) -> Facets:
        """The facets of a list of records."""
        return self._index.facets(selection)

    def search_facets(self, search: Search) -> SearchFacets:
        """The facets of the first MAX_DEPTH hits of a search, regardless of its page."""
        whole = replace(search, cursor=None, order=HitOrder.RELEVANCE)
        [request] = self._requests([whole], self._adapter())
        if isinstance(request, ImageSearchError):
            raise request
        hits = self._index.search(replace(request.query, limit=MAX_DEPTH))
        found = facets_of((hit.document for hit in hits), search.collection)
        return SearchFacets(found, complete=len(hits) < MAX_DEPTH)

    def collections(self, request: TreeRequest) -> TreePage:
        """One page of the tree of collections, with the numbers of indexed images."""
        return tree_page(self._index, request)

    def document(self, id: str) -> Document:
        """The record of one image; raises NotFound."""
        stored = self._index.get([id]).get(id)
        if not stored or not stored.document:
            raise indexed_image_not_found(id)
        return stored.document

    def _requests(
        self, searches: Sequence[Search], adapter: QueryAdapter | None
    ) -> list["_Request | ImageSearchError"]:
        """The request to the index for each search, or the error of the search."""
        pages = [self._page(search, adapter) for search in searches]
        valid = [page.search for page in pages if isinstance(page, Page)]
        vectors = iter(self._query_encoder.encode_searches(valid, adapter))
        relevance = self._relevance
        if relevance and adapter:
            relevance = relevance.with_curves(adapter.curves)
        return [
            _request(page, next(vectors), relevance) if isinstance(page, Page) else page
            for page in pages
        ]

    def _page(self, search: Search, adapter: QueryAdapter | None) -> Page | InvalidQuery:
        try:
            check_min_relevance(search.min_relevance, self._relevance, self.model)
            _check_order(search)
            check_opinions(search)
            # Another adapter changes the order of the hits, and with it the positions of cursors.
            return page_of(search, f"{self.model} {adapter.name}" if adapter else self.model)
        except InvalidQuery as error:
            return error

    def _id(self, request: "_Request") -> str | None:
        search = request.page.search
        return self._ids.record(search.query, request.original) if search.feedback else None

    def _nearest(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        if len(queries) == 1:
            return [self._index.search(queries[0])]
        return self._index.search_many(queries) if queries else []

    def _answer(
        self, request: "_Request", hits: list[Hit], took: Timing, adapter: QueryAdapter | None
    ) -> SearchAnswer:
        page = request.page
        found, cursor = page.select(hits)
        return SearchAnswer(
            search_id=self._id(request),
            model=self.model,
            took_ms=took,
            hits=with_relevance(found, request.relevance),
            cursor=cursor,
            notice=self._languages.notice(page.search.query) if self._languages else None,
            adapter=adapter.name if adapter else None,
        )


def _check_order(search: Search) -> None:
    """Raises InvalidQuery: ordered by time, the least relevant hits would be among the first."""
    if search.order is not HitOrder.RELEVANCE and search.min_relevance is None:
        raise InvalidQuery(
            f"sort is {search.order} without min_relevance",
            "send min_relevance, such as 0.5",
        )


@dataclass(frozen=True, slots=True)
class _Request:
    """The request to the index for one page of a search; `original` [D] is for the search id."""

    page: Page
    original: Embedding
    relevance: QueryRelevance | None
    query: VectorQuery


def _request(
    page: Page, encoded: EncodedSearch | ImageSearchError, relevance: Relevance | None
) -> _Request | ImageSearchError:
    if isinstance(encoded, ImageSearchError):
        return encoded
    converted = query_relevance(relevance, encoded.embedding, page.search)
    minimum = page.search.min_relevance
    min_score = converted.min_score(minimum) if converted and minimum else None
    query = page.vector_query(encoded.embedding, min_score)
    return _Request(page, encoded.original, converted, query)
