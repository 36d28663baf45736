"""The package onnx, which reads and writes graphs, and is not part of the runtime."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import local
from local.errors import UsageError


def require_onnx(model: str) -> None:
    """Raises UsageError, which states the command that installs onnx, if it is missing."""
    if find_spec("onnx") is None:
        raise UsageError(
            f"{model} is quantized on this machine, which needs the package onnx: run"
            f" `{install_command()}`, then repeat the command"
        )


def install_command() -> str:
    """The pip command for the environment that this process runs in.

    In a checkout, the locked versions without their dependencies, which the runtime has.
    """
    pinned = Path(local.__file__).resolve().parents[1] / "requirements" / "quantize.txt"
    locked = f"--require-hashes --no-deps -r {shlex.quote(str(pinned))}"
    what = locked if pinned.is_file() else "'imagesearch[quantize]'"
    return f"{shlex.quote(sys.executable)} -m pip install {what}"
