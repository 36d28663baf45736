"""Which scores a search asks for, and how relevant its hits are, where the model is calibrated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding, Hit
from imagesearch.domain.queries import Query, TextQuery, parts
from imagesearch.search.relevance import Kind, QueryRelevance, Relevance


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the hits of one query; without `relevance` they have a score alone."""

    relevance: QueryRelevance | None

    def min_score(self, least: float | None) -> float | None:
        """The least score of a hit that is as relevant as `least`; None for any."""
        return self.relevance.min_score(least) if self.relevance and least else None

    def judged(self, hits: Sequence[Hit]) -> list[Hit]:
        """The hits with their relevance."""
        relevance = self.relevance
        if relevance is None:
            return list(hits)
        return [replace(hit, relevance=relevance.of(hit.score)) for hit in hits]


def judge(relevance: Relevance | None, embedding: Embedding, query: Query) -> Judge:
    if relevance is None:
        return Judge(None)
    return Judge(relevance.for_query(embedding, _kind(query)))


def _kind(query: Query) -> Kind:
    """A mixture of words alone lies where words lie, one of images alone where images do."""
    words = {isinstance(part, TextQuery) for part in parts(query)}
    return Kind.MIXED if len(words) > 1 else Kind.TEXT if words == {True} else Kind.IMAGE


def check_min_relevance(least: float | None, relevance: Relevance | None, model: str) -> None:
    """Raises InvalidQuery."""
    if least is None:
        return
    if not 0 <= least <= 1:
        raise InvalidQuery(
            f"min_relevance is {least}", "say a number from 0 to 1", code="invalid_min_relevance"
        )
    if relevance is None:
        raise InvalidQuery(
            f"min_relevance is {least}, and the hits of {model} have no relevance: it is not"
            " calibrated",
            "search without min_relevance, or calibrate the model (docs/relevance.md)",
            code="no_relevance",
        )
