"""Measure everything and print one table: `make bench`."""

from benchmarks import indexing, queries, startup
from benchmarks.machine import describe
from benchmarks.table import show


def main() -> None:
    rows = [row for part in (startup, queries, indexing) for row in part.measure()]
    show(f"starter model, {describe()}", rows)


if __name__ == "__main__":
    main()
