"""Runs one contestant in its own process: reads jobs from stdin, writes results to stdout.

python -m benchmarks.clip.worker CONTESTANT FOLDER [CORES]

CONTESTANT is the name of a class in contestants.py. Jobs and results are JSON, one per line.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from benchmarks.clip import contestants
from benchmarks.clip.contestants import Contestant


def main() -> None:
    name, folder, *cores = sys.argv[1:]
    if cores:
        os.sched_setaffinity(0, range(int(cores[0])))
    # Libraries that print must not write between the results.
    results, sys.stdout = sys.stdout, sys.stderr
    try:
        contestant: Contestant = getattr(contestants, name)(Path(folder))
    except ImportError as missing:
        _write(results, {"missing": str(missing)})
        return
    _write(results, {"ready": True})
    for line in sys.stdin:
        _write(results, _run(contestant, json.loads(line)))


def _run(contestant: Contestant, job: dict[str, list[str]]) -> dict[str, Any]:
    """Embeds all images together, and texts one by one, as queries arrive."""
    seconds: list[float] = []
    vectors: list[list[float]] = []
    calls = [[text] for text in job["texts"]] if "texts" in job else [job["images"]]
    for inputs in calls:
        started = time.perf_counter()
        embedded = (
            contestant.texts(inputs)
            if "texts" in job
            else contestant.images([Path(path) for path in inputs])
        )
        seconds.append(time.perf_counter() - started)
        vectors.extend([float(value) for value in vector] for vector in embedded)
    return {"seconds": seconds, "vectors": vectors}


def _write(results: TextIO, result: dict[str, Any]) -> None:
    results.write(json.dumps(result) + "\n")
    results.flush()


if __name__ == "__main__":
    main()
