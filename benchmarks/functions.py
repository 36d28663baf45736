"""Cold start, query latency and indexing throughput of the functions.

Cold starts are measured from process start to the first response, with peak memory; queries from
the API Gateway event to the response; indexing in images per second, and in seconds from a new file
in a folder to the first hit.
"""

import base64
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import psutil

from benchmarks.report import Row, percentiles
from benchmarks.workbench import REPOSITORY, SAMPLES, STARTER_MODEL, Workbench, workbench

WARM_UP = 10
QUERIES = 200
STARTS = 7
INDEXED = 500
DROPS = 40
PATIENCE = 30.0
_SERVE = (sys.executable, "-c", "from local.cli import main; main()", "serve")

_QUERIES = """
import json, os, sys, time
from imagesearch import bootstrap
from imagesearch.settings import Settings
from functions.search.app import handler
from local.lambda_runtime import LambdaContext
settings = Settings.from_environment(os.environ)
store = bootstrap.image_store(settings)
bootstrap.indexer(settings).process(ref for ref, _ in store.list_images())
for line in sys.stdin:
    event, seconds = json.loads(line), []
    for _ in range({repeat}):
        started = time.perf_counter()
        response = handler(event, LambdaContext("search"))
        seconds.append(time.perf_counter() - started)
        assert response["statusCode"] == 200, response
    print(json.dumps(seconds[{warm_up}:]), flush=True)
""".replace("{repeat}", str(WARM_UP + QUERIES)).replace("{warm_up}", str(WARM_UP))


_FIRST_RESPONSE = """
import json, sys
from functions.{function}.app import handler
from local.lambda_runtime import LambdaContext
response = handler(json.loads(sys.stdin.readline()), LambdaContext("{function}")) or {}
assert response.get("statusCode", 200) == 200 and not response.get("batchItemFailures"), response
print("response", flush=True)
sys.stdin.readline()
"""

_INDEX_ALL = """
import os, time
from imagesearch import bootstrap
from imagesearch.settings import Settings
settings = Settings.from_environment(os.environ)
indexer, store = bootstrap.indexer(settings), bootstrap.image_store(settings)
refs = [ref for ref, _ in store.list_images()]
indexer.process(refs[:16])
started = time.perf_counter()
outcomes = indexer.process(refs[16:])
seconds = time.perf_counter() - started
assert all(outcome.kind == "indexed" for outcome in outcomes)
print(len(outcomes), seconds)
"""


def event(name: str) -> dict[str, object]:
    """An API Gateway event as the function receives it."""
    loaded: dict[str, object] = json.loads((REPOSITORY / "events" / name).read_text())
    return loaded


def _query(bench: Workbench, events: list[dict[str, object]]) -> list[list[float]]:
    child = subprocess.run(
        [sys.executable, "-c", _QUERIES],
        env=bench.environment,
        input="\n".join(json.dumps(one) for one in events),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in child.stdout.splitlines() if line.startswith("[")]


def measure_startup(model: Path = STARTER_MODEL) -> Iterator[Row]:
    """Both functions, with files in the page cache and without SnapStart."""
    text = event("api-search-get.json")
    photo = event("api-search-post-image.json")
    photo["body"] = base64.b64encode((SAMPLES / "animals/cow.webp").read_bytes()).decode()
    photo["isBase64Encoded"] = True
    with workbench(model=model) as bench:
        new = (_created(bench, path) for path in sorted(bench.folder.rglob("*.webp")))
        yield _cold(bench, "search", repeat(text), "search: start to the first text result")
        yield _cold(bench, "search", repeat(photo), "search: start to the first image result")
        yield _cold(bench, "index_images", new, "index_images: start to the first indexed image")


def _created(bench: Workbench, path: Path) -> dict[str, object]:
    """The event of a file that is not in the index yet."""
    detail = {
        "bucket": {"name": bench.folder.as_uri()},
        "object": {"key": path.relative_to(bench.folder).as_posix()},
    }
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def _cold(bench: Workbench, function: str, events: Iterator[dict[str, object]], name: str) -> Row:
    starts = [_start(bench, function, event) for event in islice(events, STARTS)]
    seconds = float(np.median([seconds for seconds, _ in starts]))
    peak = max(peak for _, peak in starts)
    return Row(name, f"{seconds:.2f} s, {peak:.0f} MB", f"median time, highest peak of {STARTS}")


def _start(bench: Workbench, function: str, sent: dict[str, object]) -> tuple[float, float]:
    """Seconds to the first response; peak MB of the function and its decoder together."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _FIRST_RESPONSE.replace("{function}", function)],
        env=bench.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(sent) + "\n")
        process.stdin.flush()
        next(line for line in process.stdout if line.startswith("response"))
        seconds = time.perf_counter() - started
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        return seconds, sum(_peak(member) for member in family)


def _peak(process: psutil.Process) -> float:
    """Peak resident memory in MB; without /proc, the current one."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return float(process.memory_info().rss) / 2**20


def measure_queries() -> Iterator[Row]:
    """Text and image queries on the samples, after a warm-up."""
    text = event("api-search-get.json")
    photo = event("api-search-post-image.json")
    photo["body"] = base64.b64encode((SAMPLES / "animals/cow.webp").read_bytes()).decode()
    photo["isBase64Encoded"] = True
    with workbench() as bench:
        results = _query(bench, [text, photo])
    how = f"{QUERIES} through the handler, 85 photos, warm"
    for name, seconds in zip(("text query", "image query"), results, strict=True):
        yield Row(name, percentiles(seconds), how)


def measure_indexing() -> Iterator[Row]:
    """Throughput of indexing, and the delay from a new file to a hit."""
    yield _throughput()
    yield _freshness()


def _throughput() -> Row:
    with workbench(INDEXED) as bench:
        child = subprocess.run(
            [sys.executable, "-c", _INDEX_ALL],
            env=bench.environment,
            capture_output=True,
            text=True,
            check=True,
        )
    count, seconds = child.stdout.split()
    rate = int(count) / float(seconds)
    return Row(
        "indexing", f"{rate:.0f} images/s", f"{count} photos of 1 megapixel, file to index, warm"
    )


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
    return Row("new file to hit", percentiles(waits), f"{len(waits)} files copied into a folder")


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
