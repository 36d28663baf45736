"""Asks an image store about many objects at once; what fails for one is its answer."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.ports import ImageStore
from imagesearch.indexing.planner import Present

THREADS = 8


class ManyObjects:
    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")

    def heads(self, refs: Iterable[ImageRef]) -> Iterator[ObjectState | Exception | None]:
        """What is there now, in the order of the refs."""
        return self.threads.map(self._head, refs)

    def contents(self, found: Iterable[Present]) -> Iterator[bytes | Exception]:
        """Their bytes, in their order."""
        return self.threads.map(self._read, found)

    def _head(self, ref: ImageRef) -> ObjectState | Exception | None:
        try:
            return self._store.head(ref)
        except Exception as error:
            return error

    def _read(self, found: Present) -> bytes | Exception:
        try:
            return self._store.read(found.ref, found.state)
        except Exception as error:
            return error
