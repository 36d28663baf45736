"""Recognition of the program's own directories, which are never indexed.

A data directory has a workspace for each indexed folder, with its index, thumbnails, and images
that were deleted through the API.
"""

import json
import os
from pathlib import Path

MARKER = ".imagesearch-data"
MARKER_TEXT = "imagesearch keeps its own data in this directory and never indexes it.\n"
LAST_USED = "last-used"
RECORD = "workspace.json"
INDEX, DERIVED, MODELS = "index.db", "derived", "models"
_RECORD_BYTES = 65_536
_OTHER_PARTS = frozenset((MARKER, LAST_USED, MODELS))


def is_own_directory(folder: str | Path) -> bool:
    """True for a data directory or workspace of any release."""
    return is_marked(folder) or (_holds(folder, LAST_USED) and _holds_nothing_else(folder))


def is_marked(folder: str | Path) -> bool:
    """True for a workspace or a data directory with marker; older releases wrote none."""
    return _is_workspace(folder) or _holds(folder, MARKER)


def mark(data_dir: Path) -> None:
    """Create a data directory with marker. Raises OSError.

    A directory that is not empty gets no marker, as it may contain images: its workspaces are
    recognized one by one.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    if not any(data_dir.iterdir()):
        (data_dir / MARKER).write_text(MARKER_TEXT, "utf-8")


def own_directory_around(folder: Path) -> Path | None:
    """The data directory or workspace that contains a folder, or is it; else None."""
    return next((each for each in (folder, *folder.parents) if is_marked(each)), None)


def _is_workspace(folder: str | Path) -> bool:
    """By its record; if that is missing or damaged, by its index and derived files."""
    recorded, indexed = _holds(folder, RECORD), _holds(folder, INDEX)
    if not (recorded or indexed):
        return False
    return (recorded and (indexed or _is_record(folder))) or _holds(folder, DERIVED)


def _is_record(folder: str | Path) -> bool:
    """Other programs use the name `workspace.json`, too."""
    try:
        with Path(folder, RECORD).open("rb") as file:
            record = json.loads(file.read(_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and {"folder", "model"} <= record.keys()


def _holds_nothing_else(folder: str | Path) -> bool:
    """A data directory of an older release may contain images."""
    try:
        with os.scandir(folder) as entries:
            return all(entry.name in _OTHER_PARTS or _is_workspace(entry.path) for entry in entries)
    except OSError:
        return False


def _holds(folder: str | Path, name: str) -> bool:
    return os.access(os.path.join(folder, name), os.F_OK)  # noqa: PTH118 - asked for every file
