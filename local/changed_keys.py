"""Which keys to look at when something happened at a path: a file, or a folder with all in it."""

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import VectorIndex

PAGE = 1_000


def changed_keys(
    paths: Iterable[Path], store: FolderStore, index: VectorIndex
) -> Iterator[ImageRef]:
    """Every key that the changes may concern, once: what is there, then what was there before.

    In this order the records of renamed images are still there when their new names are looked at.
    """
    topmost = [(path, ref) for path in _topmost(paths) if (ref := store.ref(path))]
    given: set[ImageRef] = set()
    for refs in chain(
        (_present_at(path, ref, store) for path, ref in topmost),
        (_known_at(ref, index) for _, ref in topmost),
    ):
        for ref in refs:
            if ref not in given:
                given.add(ref)
                yield ref


def _present_at(path: Path, ref: ImageRef, store: FolderStore) -> Iterator[ImageRef]:
    if os.path.lexists(path):
        yield ref
    if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114 - Path's raise
        yield from (found for found, _ in store.list_images(path))


def _known_at(ref: ImageRef, index: VectorIndex) -> Iterator[ImageRef]:
    yield ref
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
