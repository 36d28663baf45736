"""The cost of a page of duplicate groups among 100,000 images, on both indexes.

Images and vectors are synthetic. Duplicates form groups of two to five, linked as in indexing: each
image to the earlier ones of its group.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from opensearchpy import OpenSearch

from benchmarks.indexes.synthetic_images import DIMENSION, Collection, document
from benchmarks.report import Row, percentiles
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.images import Document, Neighbor
from imagesearch.domain.ports import Put, Touch, VectorIndex
from imagesearch.duplicates.groups import DuplicateFinder
from local.opensearch.server import VERSION, running_server

TITLE = "duplicates among 100,000 images"
IMAGES, WRITE_SIZE, NAME = 100_000, 500, "bench"
SHARES = (0.05, 0.2)
SIZES = (2, 3, 4, 5)
PAGES, WARM_UP = 30, 3
HOW = f"{PAGES} consecutive pages of 20 groups"
# Of realistic length; its content is not read here.
MINIATURE = "1.333:" + "A" * 576


def measure() -> Iterator[Row]:
    images = Collection(IMAGES, 2)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteIndex(Path(folder) / "index.db", NAME, DIMENSION)) as sqlite,
    ):
        yield from _measure("SQLite", sqlite, images, settle=lambda: None)
    with running_server() as url:
        raw = OpenSearch(url, timeout=60, max_retries=0)
        with closing(OpenSearchIndex(url, NAME, DIMENSION, model="bench")) as opensearch:
            yield from _measure(
                f"OpenSearch {VERSION}",
                opensearch,
                images,
                settle=lambda: raw.indices.refresh(index=NAME),
            )


def _measure(
    name: str, index: VectorIndex, images: Collection, settle: Callable[[], object]
) -> Iterator[Row]:
    for start in range(0, IMAGES, WRITE_SIZE):
        numbers = range(start, start + WRITE_SIZE)
        index.write(
            [Put(_document(number, ()), images.vectors[number], None) for number in numbers]
        )
    linked = 0
    for share in SHARES:
        target = int(share * IMAGES)
        _link(index, linked, target)
        linked = target
        settle()
        yield Row(f"{name}: a page, {share:.0%} duplicates", percentiles(_pages(index)), HOW)


def _link(index: VectorIndex, start: int, end: int) -> None:
    """Write the links of the images from `start` to `end`, as the linker does."""
    for first in range(start, end, WRITE_SIZE):
        documents = [
            _document(number, _others(number)) for number in range(first, first + WRITE_SIZE)
        ]
        stored = index.get([each.id for each in documents])
        results = index.write([Touch(each, stored[each.id].version) for each in documents])
        assert all(result.status == "written" for result in results)


def _others(number: int) -> tuple[Neighbor, ...]:
    """Links to the earlier members of the group; groups have 2, 3, 4 and 5 members in turn."""
    first = number - number % sum(SIZES)
    for size in SIZES:
        if first + size > number:
            break
        first += size
    others = [document(member) for member in range(first, number)]
    return tuple(Neighbor(each.id, each.sha256 or "", 0.97, 0.99) for each in others)


def _document(number: int, neighbors: tuple[Neighbor, ...]) -> Document:
    phash = f"{number:016x}"
    return replace(document(number), phash=phash, miniature=MINIATURE, neighbors=neighbors)


def _pages(index: VectorIndex) -> list[float]:
    groups, cursor, seconds = DuplicateFinder(index), None, []
    for _ in range(PAGES + WARM_UP):
        started = time.perf_counter()
        page = groups.page(cursor=cursor)
        seconds.append(time.perf_counter() - started)
        assert len(page.groups) == 20
        cursor = page.cursor
    return seconds[WARM_UP:]
