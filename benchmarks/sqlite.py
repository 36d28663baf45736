"""What a text query costs, through the handler, among 100,000 images in the embedded index.

The goal is what cannot be saved (to embed the text, and to compare it with every vector) and no
more than 10 ms besides; all are measured in turn, in one run.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.report import Row, percentiles
from benchmarks.workbench import workbench

TITLE = "embedded index, 100,000 made-up images"
BARE = ("embedding", "bare scan")


def measure() -> Iterator[Row]:
    with workbench() as bench:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.sqlite_handler"],
            env=bench.environment,
            capture_output=True,
            text=True,
            check=True,
        )
    seconds = json.loads(done.stdout.splitlines()[-1])
    first, again = seconds["first"], seconds["again"]
    batch = again.pop("batch of 32")
    least = sum(median(again[name]) for name in BARE)
    for name in BARE:
        yield Row(name, percentiles(again.pop(name)), "cannot be saved")
    for name, taken in again.items():
        how = (
            f"{(median(taken) - least) * 1000:+.1f} ms over both above;"
            f" the first time {first[name] * 1000:,.0f} ms"
        )
        yield Row(f"a query, {name}", percentiles(taken), how)
    each = median(batch) * 1000 / 32
    yield Row("a batch of 32 queries", percentiles(batch), f"{each:.1f} ms a query")
