"""What machine the figures were taken on: without it they mean nothing."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8")


def describe() -> str:
    """Cores, vector instructions, versions: one line."""
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
