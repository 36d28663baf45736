"""Makes the index agree with the whole folder, whatever happened while nobody looked."""

from collections.abc import Iterable, Iterator

from imagesearch.domain import ImageRef
from imagesearch.errors import Unavailable
from imagesearch.indexing import Indexer
from imagesearch.planning import Outcome
from imagesearch.ports import ImageStore, VectorIndex

KEYS_AT_A_TIME = 64
PAGE = 1_000


def reconcile(indexer: Indexer, present: Iterable[ImageRef]) -> Iterator[Outcome]:
    """Look at every key that is there: one outcome for each, as they are settled."""
    for refs in _chunks(present):
        yield from indexer.look_at(refs)


def vanished(store: ImageStore, index: VectorIndex) -> Iterator[ImageRef]:
    """What the index holds and the store does not. Raises Unavailable."""
    after = None
    while page := index.list_documents(status=None, collection=None, after=after, limit=PAGE):
        for document in page:
            try:
                gone = store.head(document.ref) is None
            except Unavailable:  # what cannot be looked at is not known to be gone
                continue
            if gone:
                yield document.ref
        after = page[-1].ref.key


def _chunks(refs: Iterable[ImageRef]) -> Iterator[list[ImageRef]]:
    chunk: list[ImageRef] = []
    for ref in refs:
        chunk.append(ref)
        if len(chunk) == KEYS_AT_A_TIME:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
