"""Shorthands for the outcomes of indexing and the keys of hits."""

from imagesearch.indexing.indexer import Indexer
from imagesearch.search.searcher import SearchAnswer
from tests.support.fakes import ref


def process(indexer: Indexer, *keys: str) -> dict[str, str]:
    """Process keys; returns the kind of outcome by key."""
    return {
        outcome.ref.key: outcome.kind.value for outcome in indexer.process([ref(k) for k in keys])
    }


def keys(answer: SearchAnswer) -> list[str]:
    """The keys of the hits, in order."""
    return [hit.document.ref.key for hit in answer.hits]
