"""A folder as people have them: a thousand files, some odd, some broken, in less than 1 GB."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.support.odd_images import BROKEN, ODD

Eventually = Callable[..., None]
ALL = 1_000
MOST_BYTES = 10**9


@pytest.fixture(scope="module")
def folder(samples: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small variants of the samples in subfolders, some odd images, some broken ones."""
    made = tmp_path_factory.mktemp("thousand")
    pictures = [_small(sample) for sample in samples]
    for number in range(ALL - len(ODD) - len(BROKEN)):
        target = made / f"{number % 10}" / f"{number}.jpg"
        target.parent.mkdir(exist_ok=True)
        _variant(pictures[number % len(pictures)], number).save(target, quality=80)
    for kind, makers in (("odd", ODD), ("broken", BROKEN)):
        (made / kind).mkdir()
        for name, make in makers.items():
            make(pictures[0], made / kind / name)
    return made


def test_all_readable_images_are_found_and_each_broken_one_is_listed(
    folder: Path, serve: Callable[[Path], Any]
) -> None:
    serving = serve(folder).start()
    with peak_memory_of(serving.pid) as peak:
        serving.ready()
        found = _every_key(serving)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    broken = {f"broken/{name}" for name in BROKEN}
    assert len(files) == ALL
    assert set(serving.listed()) == files - broken
    assert found == files - broken
    rejected = serving.listed("rejected")
    assert set(rejected) == broken
    assert all(len(image["reason"]) > 10 for image in rejected.values())
    assert peak[0] < MOST_BYTES, f"{peak[0] / 1e6:,.0f} MB"

    serving.stop()
    again = serving.run("index", folder)
    assert again.returncode == 1
    assert f"{ALL:,} unchanged" in again.stderr
    for key in broken:
        assert f"rejected {key}: " in again.stderr


@contextmanager
def peak_memory_of(pid: int) -> Iterator[list[int]]:
    """The highest sum of resident bytes of a process and its children, sampled all the time."""
    peak = [0]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], _resident(psutil.Process(pid)))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peak
    finally:
        done.set()
        sampler.join()


def _resident(parent: psutil.Process) -> int:
    total = 0
    for process in [parent, *parent.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _every_key(serving: Any) -> set[str]:
    """The keys of all hits of one search, page by page."""
    keys: set[str] = set()
    cursor: dict[str, str] = {}
    while True:
        page = serving.get("/v1/search", q="a photo", limit=100, **cursor)
        keys |= {hit["key"] for hit in page["hits"]}
        if not page["cursor"]:
            return keys
        cursor = {"cursor": page["cursor"]}


def _small(sample: Path) -> Image.Image:
    with Image.open(sample) as picture:
        return ImageOps.contain(picture.convert("RGB"), (320, 320))


def _variant(picture: Image.Image, number: int) -> Image.Image:
    """Another crop and tint of the same picture, so that no two files are the same."""
    edge = 1 + number % 12
    cropped = picture.crop((edge, edge, picture.width - edge, picture.height - 2 * edge))
    return ImageEnhance.Color(cropped).enhance(0.5 + (number % 97) / 97)
