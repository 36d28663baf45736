"""What a cold start costs: from process start to the first answer, and the memory it peaks at."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path

import numpy as np
import psutil

from benchmarks.queries import event
from benchmarks.report import Row
from benchmarks.workbench import SAMPLES, STARTER_MODEL, Workbench, workbench

STARTS = 7

_FIRST_ANSWER = """
import json, sys
from functions.{function}.app import handler
from local.lambda_context import LambdaContext
answer = handler(json.loads(sys.stdin.readline()), LambdaContext("{function}")) or {}
assert answer.get("statusCode", 200) == 200 and not answer.get("batchItemFailures"), answer
print("answered", flush=True)
sys.stdin.readline()
"""


def measure(model: Path = STARTER_MODEL) -> Iterator[Row]:
    """Both functions, files in the page cache, SnapStart not counted in."""
    text = event("api-search-get.json")
    photo = event("api-search-post-image.json")
    photo["body"] = base64.b64encode((SAMPLES / "animals/cow.webp").read_bytes()).decode()
    photo["isBase64Encoded"] = True
    with workbench(model=model) as bench:
        new = (_created(bench, path) for path in sorted(bench.folder.rglob("*.webp")))
        yield _cold(bench, "search", repeat(text), "search: process start to a text answer")
        yield _cold(bench, "search", repeat(photo), "search: process start to an image answer")
        yield _cold(bench, "index_images", new, "index_images: process start to an image indexed")


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
    """Seconds to the first answer; peak MB of the function and its decoder together."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _FIRST_ANSWER.replace("{function}", function)],
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
        next(line for line in process.stdout if line.startswith("answered"))
        seconds = time.perf_counter() - started
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        return seconds, sum(_peak(member) for member in family)


def _peak(process: psutil.Process) -> float:
    """The most memory that the process ever held, MB; what it holds now where that is not told."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return float(process.memory_info().rss) / 2**20
