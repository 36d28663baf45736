"""A folder of a thousand files, some unusual or broken, is indexed in less than 1 GB of memory."""

import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.support.images.unusual_images import BROKEN, ODD

Eventually = Callable[..., None]
ALL = 1_000
# People keep copies, and copies are not embedded: the test is about the number of files.
COPIES = 4
MOST_BYTES = 10**9


@pytest.fixture(scope="module")
def folder(samples: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small variants of the samples in COPIES files each, with unusual and broken images."""
    made = tmp_path_factory.mktemp("thousand")
    pictures = [_small(sample) for sample in samples]
    data = io.BytesIO()
    for number in range(ALL - len(ODD) - len(BROKEN)):
        if number % COPIES == 0:
            data = io.BytesIO()
            original = number // COPIES
            variant = _variant(pictures[original % len(pictures)], original)
            variant.save(data, "JPEG", quality=80)
        target = made / f"{number % 10}" / f"{number}.jpg"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data.getvalue())
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
    """Sum of the memory peaks of a process and its children, an upper bound of the joint peak.

    The kernel records the peak of each process, so polling misses none.
    """
    peak = [0]
    peaks: dict[int, int] = {}
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.5):
            peaks.update(_peaks(psutil.Process(pid)))
            peak[0] = sum(peaks.values())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peak
    finally:
        done.set()
        sampler.join()


def _peaks(parent: psutil.Process) -> dict[int, int]:
    """Peak resident bytes of each process, from proc_pid_status(5)."""
    found: dict[int, int] = {}
    for process in [parent, *parent.children(recursive=True)]:
        with suppress(FileNotFoundError, ProcessLookupError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            if high := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
                found[process.pid] = int(high[1]) * 1024
    return found


def _every_key(serving: Any) -> set[str]:
    """The keys of all hits of one search, over all pages."""
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
    """Another crop and tint of the same image, so that all files differ.

    Crops with little overlap are not near duplicates, whose comparison would dominate the time.
    """
    width, height = picture.width // 2, picture.height // 2
    left, top = number % 7 * width // 6, number % 5 * height // 4
    part = picture.crop((left, top, left + width, top + height))
    return ImageEnhance.Color(part).enhance(0.5 + (number % 97) / 97)
