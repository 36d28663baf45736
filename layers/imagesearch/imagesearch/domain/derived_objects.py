"""Reads many objects of the derived store, and checks them by their names."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from imagesearch.domain.ports import DerivedStore
from imagesearch.domain.storage_keys import checksum_of, crc32

# A bucket answers some milliseconds after a request.
_THREADS, _BATCH = 16, 1_000


def read_each(store: DerivedStore, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Each key with its content, in their order; None if it does not exist. Raises Unavailable."""
    rest = iter(keys)
    with ThreadPoolExecutor(_THREADS) as threads:
        while batch := list(islice(rest, _BATCH)):
            yield from zip(batch, threads.map(store.get, batch), strict=True)


def is_intact(key: str, data: bytes) -> bool:
    """False if an object differs from what was stored under this key.

    The names of earlier releases have no checksum: any content is then intact.
    """
    return checksum_of(key) in (None, crc32(data))
