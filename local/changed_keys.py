"""Which keys to look at when something happened at a path: a file, or a folder with all in it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from imagesearch.adapters.folder_store import FolderStore
from imagesearch.domain import ImageRef
from imagesearch.ports import VectorIndex

PAGE = 1_000


def changed_keys(
    paths: Iterable[Path], store: FolderStore, index: VectorIndex
) -> Iterator[ImageRef]:
    """Every key that the changes may concern, once: what is there, and what was there before."""
    given: set[ImageRef] = set()
    for path in _topmost(paths):
        for ref in _keys_at(path, store, index):
            if ref not in given:
                given.add(ref)
                yield ref


def _keys_at(path: Path, store: FolderStore, index: VectorIndex) -> Iterator[ImageRef]:
    ref = store.ref(path)
    if ref is None:
        return
    yield ref
    if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114 - Path's raise
        yield from (found for found, _ in store.list_images(path))
    yield from _indexed_below(ref, index)


def _indexed_below(folder: ImageRef, index: VectorIndex) -> Iterator[ImageRef]:
    """A folder that is gone says nothing of what was in it: the index remembers."""
    prefix = after = folder.key + "/"
    while True:
        page = index.list_documents(status=None, collection=None, after=after, limit=PAGE)
        for document in page:
            if not document.ref.key.startswith(prefix):
                return
            yield document.ref
        if len(page) < PAGE:
            return
        after = page[-1].ref.key


def _topmost(paths: Iterable[Path]) -> Iterator[Path]:
    """Leave out what lies below another path that is gone: that one stands for it."""
    gone: set[Path] = set()
    for path in sorted(set(paths)):
        if gone.isdisjoint(path.parents):
            if not os.path.lexists(path):
                gone.add(path)
            yield path
