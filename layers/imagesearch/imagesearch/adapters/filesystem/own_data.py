"""The product's own directories, which are never part of a library: recognized by what they hold.

A data directory has workspaces, one for each folder that is indexed; each holds an index, small
copies of images, and images that were deleted through the API.
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
    """Whether a directory is a data directory or a workspace, of whatever release."""
    return is_marked(folder) or (_holds(folder, LAST_USED) and _holds_nothing_else(folder))


def is_marked(folder: str | Path) -> bool:
    """The same, without a data directory of an older release, which holds no marker."""
    return _is_workspace(folder) or _holds(folder, MARKER)


def mark(data_dir: Path) -> None:
    """Make a data directory that everybody can recognize. Raises OSError.

    One that holds anything already may hold images, too: its workspaces alone are recognized.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    if not any(data_dir.iterdir()):
        (data_dir / MARKER).write_text(MARKER_TEXT)


def own_directory_around(folder: Path) -> Path | None:
    """The data directory or workspace that a folder is, or is in; None where it is in none."""
    return next((each for each in (folder, *folder.parents) if is_marked(each)), None)


def _is_workspace(folder: str | Path) -> bool:
    """By its record; where that is gone or damaged, by an index and what is derived of images."""
    recorded, indexed = _holds(folder, RECORD), _holds(folder, INDEX)
    if not (recorded or indexed):
        return False
    return (recorded and (indexed or _is_record(folder))) or _holds(folder, DERIVED)


def _is_record(folder: str | Path) -> bool:
    """Other programs call their files `workspace.json`, too."""
    try:
        with Path(folder, RECORD).open("rb") as file:
            record = json.loads(file.read(_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and {"folder", "model"} <= record.keys()


def _holds_nothing_else(folder: str | Path) -> bool:
    """A user may have put a data directory of an older release where images are."""
    try:
        with os.scandir(folder) as entries:
            return all(entry.name in _OTHER_PARTS or _is_workspace(entry.path) for entry in entries)
    except OSError:
        return False


def _holds(folder: str | Path, name: str) -> bool:
    return os.access(os.path.join(folder, name), os.F_OK)  # noqa: PTH118 - asked for every file
