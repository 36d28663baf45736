"""Runs all benchmarks, or those named, and prints their tables.

python -m benchmarks [NAME...]
"""

import sys
from collections.abc import Callable

from benchmarks import duplicates, functions, labels, opensearch, sqlite
from benchmarks.clip import compare
from benchmarks.learning import runner as learning
from benchmarks.report import describe, show


def _functions() -> None:
    rows = [
        *functions.measure_startup(),
        *functions.measure_queries(),
        *functions.measure_indexing(),
    ]
    show(f"starter model, {describe()}", rows)


def _sqlite() -> None:
    show(f"{sqlite.TITLE}, {describe()}", sqlite.measure())


def _opensearch() -> None:
    show(f"{opensearch.TITLE}, {describe()}", opensearch.measure())


def _labels() -> None:
    show(f"{labels.TITLE}, {describe()}", labels.measure())


def _duplicates() -> None:
    show(f"{duplicates.TITLE}, {describe()}", duplicates.measure())


BENCHMARKS: dict[str, Callable[[], None]] = {
    "functions": _functions,
    "sqlite": _sqlite,
    "opensearch": _opensearch,
    "labels": _labels,
    "duplicates": _duplicates,
    "clip": compare.show,
    "learning": learning.show,
}


def main() -> None:
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"unknown: {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}")
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
