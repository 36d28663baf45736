"""Which indexes an SQLite file holds."""

import sqlite3
from contextlib import closing
from pathlib import Path

from imagesearch.adapters.embedded_file import address
from imagesearch.domain.errors import Unavailable


def index_dimensions(path: Path) -> dict[str, int]:
    """The dimension of each index in the file, by name; there is none where there is no file."""
    if not path.is_file():
        return {}
    try:
        with closing(sqlite3.connect(address(path), uri=True)) as file:
            return dict(file.execute("SELECT name, dimension FROM spaces").fetchall())
    except sqlite3.Error as error:
        raise Unavailable(
            f"cannot list the indexes in {path}: {error}", "check the file and its permissions"
        ) from error
