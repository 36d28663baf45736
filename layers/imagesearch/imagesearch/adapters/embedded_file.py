"""How an embedded index's file is opened: to be written, or to be read where it cannot be."""

import os
from pathlib import Path


def is_read_only(path: Path) -> bool:
    """Whether the file is there and nothing can be written: SQLite writes beside it, too."""
    return path.is_file() and not (_is_writable(path) and _is_writable(path.parent))


def address(path: Path) -> str:
    """The file as a URI (https://sqlite.org/uri.html), opened for no more than can be done."""
    uri = path.absolute().as_uri()
    if not is_read_only(path):
        return uri
    # Reading, too, takes a lock in a file beside it, which cannot be made here; where no log of
    # writes lies there, nobody was writing when this began.
    return f"{uri}?mode=ro" if _has_log(path) else f"{uri}?mode=ro&immutable=1"


def read_only_address(path: Path) -> str:
    """The file as a URI, opened for reading even where it could be written."""
    return address(path) if is_read_only(path) else f"{path.absolute().as_uri()}?mode=ro"


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
