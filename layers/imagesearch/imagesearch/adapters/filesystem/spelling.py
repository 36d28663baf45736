"""Names on file systems that ignore case, such as those of macOS and Windows."""

import os
import time
from functools import lru_cache
from pathlib import Path

from imagesearch.adapters.filesystem.excludes import TICK_NS


def is_spelled(path: Path) -> bool:
    """False if a file or folder has a name with other letters than the last name of `path`.

    Without this check, a file renamed from `a.jpg` to `A.jpg` would have two keys.
    """
    other = path.with_name(path.name.swapcase())
    try:
        if other.name == path.name or not os.path.samestat(path.lstat(), other.lstat()):
            return True
        folder = path.parent.stat()
        changed = max(folder.st_mtime_ns, folder.st_ctime_ns)
        recent = time.time_ns() - changed <= TICK_NS
        listed = _names.__wrapped__ if recent else _names
        return path.name in listed(str(path.parent), changed)
    except OSError:  # the file system distinguishes the names, or there is no such file
        return True


def resolved(path: Path) -> Path:
    """The absolute path without links, with the letters of its names that their folders list."""
    path = path.expanduser().resolve()
    found = Path(path.anchor)
    for name in path.parts[1:]:
        each = found / name
        if not is_spelled(each):
            same = (each for each in found.iterdir() if each.name.casefold() == name.casefold())
            each = next(same, each)
        found = each
    return found


@lru_cache(maxsize=64)
def _names(folder: str, changed: int) -> frozenset[str]:  # noqa: ARG001
    """The names in a folder whose last change was at `changed`."""
    return frozenset(os.listdir(folder))  # noqa: PTH208 - names are all that is needed
