"""What became of some keys, and which keys an answer holds."""

from imagesearch.indexing.indexer import Indexer
from imagesearch.search.searcher import SearchAnswer
from tests.support.fakes import ref


def look(indexer: Indexer, *keys: str) -> dict[str, str]:
    """What became of each key."""
    return {
        outcome.ref.key: outcome.kind.value for outcome in indexer.process([ref(k) for k in keys])
    }


def keys(answer: SearchAnswer) -> list[str]:
    return [hit.document.ref.key for hit in answer.hits]
