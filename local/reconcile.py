"""Makes the index agree with the whole folder, whatever happened while nobody looked."""

from collections.abc import Container, Iterable, Iterator

from imagesearch.adapters.filesystem.image_store import FolderStore, Hidden
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import VectorIndex
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import Outcome

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
    folders: dict[str, Hidden] = {}
    while page := index.list_documents(status=None, collection=None, after=after, limit=PAGE):
        for ref in (document.ref for document in page if document.ref.key not in listed):
            folder = ref.key.rpartition("/")[0]
            if why := folders.get(folder) or _hidden(store, ref.key):
                hidden[ref] = why
                if why.holds(folder):
                    folders[folder] = why
            elif _is_gone(store, ref):
                yield ref
        after = page[-1].ref.key


def _hidden(store: FolderStore, key: str) -> Hidden | None:
    try:
        return store.hidden(key)
    except Unavailable as error:
        return Hidden(key, error.message)


def _is_gone(store: FolderStore, ref: ImageRef) -> bool:
    try:
        return store.head(ref) is None
    except Unavailable:  # only just; the next look tells
        return False


def _chunks(refs: Iterable[ImageRef]) -> Iterator[list[ImageRef]]:
    chunk: list[ImageRef] = []
    for ref in refs:
        chunk.append(ref)
        if len(chunk) == KEYS_AT_A_TIME:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
