"""One contestant in a process of its own: jobs come by stdin, seconds and vectors go by stdout.

python -m benchmarks.clip.worker MODULE FOLDER [CORES]

Imports nothing but the contestant, so that an environment which has only that can run it.
"""

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TextIO


class Contestant(Protocol):
    """What a contestant's module has to `load`; vectors are [N, D]."""

    def images(self, paths: list[Path]) -> Any: ...

    def texts(self, texts: list[str]) -> Any: ...


def main() -> None:
    module, folder, *cores = sys.argv[1:]
    if cores:
        os.sched_setaffinity(0, range(int(cores[0])))
    # What a library prints is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    try:
        contestant: Contestant = import_module(module).load(Path(folder))
    except ImportError as missing:
        _say(answers, {"missing": str(missing)})
        return
    _say(answers, {"ready": True})
    for line in sys.stdin:
        _say(answers, _done(contestant, json.loads(line)))


def _done(contestant: Contestant, job: dict[str, list[str]]) -> dict[str, Any]:
    """Files are embedded all at once, texts one by one, as queries come."""
    seconds: list[float] = []
    vectors: list[list[float]] = []
    jobs = [[text] for text in job["texts"]] if "texts" in job else [job["images"]]
    for one in jobs:
        started = time.perf_counter()
        found = (
            contestant.texts(one) if "texts" in job else contestant.images([Path(p) for p in one])
        )
        seconds.append(time.perf_counter() - started)
        vectors.extend([float(value) for value in vector] for vector in found)
    return {"seconds": seconds, "vectors": vectors}


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
