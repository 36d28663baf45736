"""Tables of measured figures, and the description of the machine that they were measured on."""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: its name, value with unit, method of measurement, and goal."""

    what: str
    value: str
    how: str = ""
    goal: str = ""


def percentiles(seconds: Sequence[float]) -> str:
    """p50 and p95 in milliseconds."""
    p50, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return f"{p50:.1f} ms (p95 {p95:.1f})"


def show_markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table, as in docs/."""
    for row in (header, ["---"] * len(header), *rows):
        print(f"| {' | '.join(row)} |", flush=True)
    print()


def show(title: str, rows: Iterable[Row]) -> None:
    table = Table("measured", "value", "how", title=title, title_justify="left")
    for row in rows:
        table.add_row(row.what, row.value, row.how)
    Console(width=120).print(table)


def describe() -> str:
    """Cores, vector instructions and versions of this machine, in one line."""
    flags = ", ".join(flag for flag in INSTRUCTIONS if flag in _cpu_flags()) or platform.machine()
    return (
        f"{os.cpu_count()} cores ({flags}), Python {platform.python_version()},"
        f" onnxruntime {version('onnxruntime')}"
    )


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())
