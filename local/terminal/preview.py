"""Images in terminals that can show them, by the optional library textual-image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from local.errors import UsageError
from local.terminal.output import print_line, printable

COLUMNS = 32


def print_previews(hits: Iterable[dict[str, Any]]) -> None:
    """Print each hit as an image above its key. Raises UsageError."""
    console = _terminal()
    for hit in hits:
        _print(hit, console)
        print_line(console, f"{hit['score']:.3f}  {printable(hit['key'])}\n")


def print_image(row: dict[str, Any]) -> None:
    """Print one image. Raises UsageError."""
    _print(row, _terminal())


def _print(row: dict[str, Any], console: Console) -> None:
    from textual_image.renderable import Image

    if not row.get("path"):
        raise UsageError("--preview shows files of this machine: use --open with --endpoint")
    try:
        console.print(Image(_file(row), width=COLUMNS))
    except OSError:  # a file that was deleted, or in a format that the library does not read
        print_line(console, "(no preview)")


def _file(row: dict[str, Any]) -> Path:
    thumbnail = row.get("thumbnail_path")
    return Path(thumbnail if thumbnail and Path(thumbnail).is_file() else row["path"])


def _terminal() -> Console:
    """The terminal on standard output. Raises UsageError without it, or without the library."""
    from importlib.util import find_spec

    console = Console(highlight=False)
    if not console.is_terminal:
        raise UsageError("--preview needs a terminal: use --paths or --json in a pipe")
    if not find_spec("textual_image"):
        raise UsageError(
            "--preview needs the library textual-image: install it with"
            " `pip install textual-image`, or `pipx inject imagesearch textual-image`"
        )
    return console
