"""How fast files become searchable: images a second, and seconds from a drop to a hit."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.report import Row, percentiles
from benchmarks.workbench import SAMPLES, workbench

COPIES = 6
DROPS = 40
PATIENCE = 30.0
_SERVE = (sys.executable, "-c", "from local.cli import main; main()", "serve")

_INDEX_ALL = """
import os, time
from imagesearch import bootstrap
from imagesearch.settings import Settings
settings = Settings.from_environment(os.environ)
indexer, store = bootstrap.indexer(settings), bootstrap.image_store(settings)
refs = [ref for ref, _ in store.list_images()]
indexer.look_at(refs[:16])
started = time.perf_counter()
outcomes = indexer.look_at(refs[16:])
seconds = time.perf_counter() - started
assert all(outcome.kind == "indexed" for outcome in outcomes)
print(len(outcomes), seconds)
"""


def measure() -> Iterator[Row]:
    """File to index, and drop to hit."""
    yield _throughput()
    yield _freshness()


def _throughput() -> Row:
    with workbench(COPIES) as bench:
        done = subprocess.run(
            [sys.executable, "-c", _INDEX_ALL],
            env=bench.environment,
            capture_output=True,
            text=True,
            check=True,
        )
    count, seconds = done.stdout.split()
    rate = int(count) / float(seconds)
    return Row("indexing", f"{rate:.0f} images/s", f"{count} sample photos, file to index, warm")


def _freshness() -> Row:
    photos = sorted(SAMPLES.rglob("*.webp"))[:DROPS]
    with workbench() as bench:
        (bench.folder / "drops").mkdir()
        server = subprocess.Popen(
            [*_SERVE, str(bench.folder), "--port", "0", "--data-dir", str(bench.data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout
            address = server.stdout.readline().rsplit("/", 1)[-1].strip()
            waits = [_drop(photo, bench.folder / "drops", address) for photo in photos]
        finally:
            server.terminate()
            server.wait(PATIENCE)
    return Row("a dropped file is found", percentiles(waits), f"{len(waits)} drops into a folder")


def _drop(photo: Path, folder: Path, address: str) -> float:
    """Seconds until a search over HTTP finds the file."""
    started = time.perf_counter()
    shutil.copyfile(photo, folder / photo.name)
    while time.perf_counter() - started < PATIENCE:
        connection = HTTPConnection(address)
        connection.request("GET", "/v1/search?q=a&limit=100&collection=drops")
        hits = json.load(connection.getresponse())["hits"]
        connection.close()
        if any(hit["key"] == f"drops/{photo.name}" for hit in hits):
            return time.perf_counter() - started
        time.sleep(0.01)
    raise TimeoutError(f"{photo.name} was not found in {PATIENCE:.0f} s")
