"""A graph's file with its weights made signed, in a memory that does not grow with the file."""

from __future__ import annotations

import mmap
from pathlib import Path

from imagesearch.embedding.int8_weights import signed_parts


def make_signed(path: Path) -> bool:
    """Put the rewritten graph in the file's place; False where there is nothing to rewrite.

    The old file is read as pages that the system may drop, the new one is written beside it.
    """
    if not path.stat().st_size:
        return False
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    parts = signed_parts(memoryview(pages))
    if parts is None:
        return False
    rewritten = path.with_name(f"{path.name}.signed")
    with rewritten.open("wb") as file:
        file.writelines(parts)
    rewritten.replace(path)
    return True
