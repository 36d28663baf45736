"""What a page of groups of duplicates costs among 100,000 images, on both indexes.

Images and vectors are made up (`synthetic_images`); those that are linked stand in groups of two
to five, as the links of indexing have them: each image to those before it.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from opensearchpy import OpenSearch

from benchmarks.report import Row, percentiles
from benchmarks.synthetic_images import DIMENSION, Collection, document
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.images import Document, Neighbour
from imagesearch.domain.ports import Put, Touch, VectorIndex
from imagesearch.duplicates.groups import DuplicateGroups
from local.opensearch_server import VERSION, running_server

TITLE = "duplicates among 100,000 images"
IMAGES, AT_A_TIME, NAME = 100_000, 500, "bench"
SHARES = (0.05, 0.2)
SIZES = (2, 3, 4, 5)
PAGES, WARM_UP = 30, 3
# As long as a real one is, and nothing is read from it here.
MINIATURE = "1.333:" + "A" * 576


def measure() -> Iterator[Row]:
    images = Collection(IMAGES, 2)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteIndex(Path(folder) / "index.db", NAME, DIMENSION)) as embedded,
    ):
        yield from _measured("embedded", embedded, images, settle=lambda: None)
    with running_server() as url:
        raw = OpenSearch(url, timeout=60, max_retries=0)
        with closing(OpenSearchIndex(url, NAME, DIMENSION, model="bench")) as opensearch:
            yield from _measured(
                f"OpenSearch {VERSION}",
                opensearch,
                images,
                settle=lambda: raw.indices.refresh(index=NAME),
            )


def _measured(
    what: str, index: VectorIndex, images: Collection, settle: Callable[[], object]
) -> Iterator[Row]:
    for start in range(0, IMAGES, AT_A_TIME):
        numbers = range(start, start + AT_A_TIME)
        index.write(
            [Put(_document(number, ()), images.vectors[number], None) for number in numbers]
        )
    linked = 0
    for share in SHARES:
        wanted = int(share * IMAGES)
        _link(index, linked, wanted)
        linked = wanted
        settle()
        yield Row(f"{what}: a page, {share:.0%} duplicates", percentiles(_pages(index)), _HOW)


_HOW = f"{PAGES} pages of 20 groups, one after the other"


def _link(index: VectorIndex, start: int, end: int) -> None:
    """Write what linking would have written of the images from `start` to `end`."""
    for first in range(start, end, AT_A_TIME):
        documents = [
            _document(number, _others(number)) for number in range(first, first + AT_A_TIME)
        ]
        stored = index.get([each.id for each in documents])
        results = index.write([Touch(each, stored[each.id].version) for each in documents])
        assert all(result.status == "written" for result in results)


def _others(number: int) -> tuple[Neighbour, ...]:
    """The links of the members of a group to those before them: groups of 2, 3, 4 and 5 in turn."""
    first = number - number % sum(SIZES)
    for size in SIZES:
        if first + size > number:
            break
        first += size
    others = [document(member) for member in range(first, number)]
    return tuple(Neighbour(each.id, each.sha256 or "", 0.97, 0.99) for each in others)


def _document(number: int, neighbours: tuple[Neighbour, ...]) -> Document:
    phash = f"{number:016x}"
    return replace(document(number), phash=phash, miniature=MINIATURE, neighbours=neighbours)


def _pages(index: VectorIndex) -> list[float]:
    groups, cursor, seconds = DuplicateGroups(index), None, []
    for _ in range(PAGES + WARM_UP):
        started = time.perf_counter()
        page = groups.page(cursor=cursor)
        seconds.append(time.perf_counter() - started)
        assert len(page.groups) == 20
        cursor = page.cursor
    return seconds[WARM_UP:]
