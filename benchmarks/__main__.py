"""Measure everything and print the tables: `make bench`; or one part by its name."""

import sys
from collections.abc import Callable

from benchmarks import duplicates, functions, labels, opensearch, sqlite
from benchmarks.clip import compare
from benchmarks.report import describe, show


def _functions() -> None:
    rows = [row for part in (functions, functions, functions) for row in part.measure()]
    show(f"starter model, {describe()}", rows)


def _embedded() -> None:
    show(f"{sqlite.TITLE}, {describe()}", sqlite.measure())


def _opensearch() -> None:
    show(f"{opensearch.TITLE}, {describe()}", opensearch.measure())


def _labels() -> None:
    show(f"{labels.TITLE}, {describe()}", labels.measure())


def _duplicates() -> None:
    show(f"{duplicates.TITLE}, {describe()}", duplicates.measure())


PARTS: dict[str, Callable[[], None]] = {
    "functions": _functions,
    "embedded": _embedded,
    "opensearch": _opensearch,
    "labels": _labels,
    "duplicates": _duplicates,
    "clip": compare.show,
}


def main() -> None:
    names = sys.argv[1:] or list(PARTS)
    if unknown := set(names) - set(PARTS):
        sys.exit(f"no part is named {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in names:
        PARTS[name]()


if __name__ == "__main__":
    main()
