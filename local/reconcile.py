"""Makes the index agree with the whole folder, whatever happened while nobody looked."""

from collections.abc import Container, Iterable, Iterator

from imagesearch.adapters.folder_store import FolderStore, Hidden
from imagesearch.domain import ImageRef
from imagesearch.errors import Unavailable
from imagesearch.indexing import Indexer
from imagesearch.planning import Outcome
from imagesearch.ports import VectorIndex

KEYS_AT_A_TIME = 64
PAGE = 1_000


def reconcile(indexer: Indexer, present: Iterable[ImageRef]) -> Iterator[Outcome]:
    """Look at every key that is there: one outcome for each, as they are settled."""
    for refs in _chunks(present):
        yield from indexer.look_at(refs)


def vanished(
    store: FolderStore,
    index: VectorIndex,
    listed: Container[str],
    hidden: dict[ImageRef, Hidden],
) -> Iterator[ImageRef]:
    """What the index holds and the folder no longer does; `listed` are keys that are there.

    What cannot be seen, and so may be there, is put into `hidden` instead. Raises Unavailable.
    """
    after = None
    while page := index.list_documents(status=None, collection=None, after=after, limit=PAGE):
        for document in page:
            if document.ref.key in listed:
                continue
            try:
                why = store.hidden(document.ref.key)
                is_gone = not why and store.head(document.ref) is None
            except Unavailable as error:
                why, is_gone = Hidden(document.ref.key, error.message), False
            if why:
                hidden[document.ref] = why
            elif is_gone:
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
