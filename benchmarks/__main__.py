"""Runs the benchmarks, or those named, and prints their tables.

`scale` takes an hour, `fuzz` and `costly` half of one, `ingest`, `load` and `pipeline` (part of
`clip`) minutes of an idle machine, `operators` minutes of any: they run only if they are named.

python -m benchmarks [NAME...]
"""

import sys
from collections.abc import Callable

from benchmarks import functions, ingest, load
from benchmarks.clip import compare
from benchmarks.costs import drift, tables
from benchmarks.hostile import costly, fuzz
from benchmarks.indexes import duplicates, labels, opensearch, scale, sqlite
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


def _scale() -> None:
    show(f"{scale.TITLE}, {describe()}", scale.measure())


def _load() -> None:
    show(f"{load.TITLE}, {describe()}", load.measure())


def _ingest() -> None:
    show(f"{ingest.TITLE}, {describe()}", ingest.measure())


def _labels() -> None:
    show(f"{labels.TITLE}, {describe()}", labels.measure())


def _duplicates() -> None:
    show(f"{duplicates.TITLE}, {describe()}", duplicates.measure())


def _fuzz() -> None:
    show(f"{fuzz.TITLE}, {describe()}", fuzz.measure())


def _costly() -> None:
    show(f"{costly.TITLE}, {describe()}", costly.measure())


def _costs() -> None:
    print(tables.generated())
    show(f"bytes of the cost tables, {describe()}", drift.rows())


BENCHMARKS: dict[str, Callable[[], None]] = {
    "functions": _functions,
    "sqlite": _sqlite,
    "opensearch": _opensearch,
    "labels": _labels,
    "duplicates": _duplicates,
    "clip": compare.show,
    "pipeline": compare.show_pipeline,
    "operators": compare.show_operators,
    "scale": _scale,
    "load": _load,
    "ingest": _ingest,
    "costs": _costs,
    "fuzz": _fuzz,
    "costly": _costly,
    "learning": learning.show,
}
NAMED_ONLY = {"pipeline", "operators", "scale", "fuzz", "costly", "ingest", "load"}


def main() -> None:
    names = sys.argv[1:] or [name for name in BENCHMARKS if name not in NAMED_ONLY]
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"unknown: {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}")
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
