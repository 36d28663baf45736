"""Bytes that the cost tables use, compared with those measured on this machine."""

from collections.abc import Iterator

from benchmarks.costs import model
from benchmarks.costs.measure import measure
from benchmarks.report import Row


def rows() -> Iterator[Row]:
    """Bytes measured on this machine, and those of figures.json."""
    figures = model.load_figures()
    api = model.load_template()["Resources"]["SearchApi"]["Properties"]
    for name, value in measure(api["AccessLogSetting"]["Format"]).items():
        used, meaning, _ = figures[name]
        yield Row(meaning, f"{value:,.0f}", f"{used:,} in the tables")
