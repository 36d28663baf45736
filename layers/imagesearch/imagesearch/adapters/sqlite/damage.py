"""Detection and repair of damage in the SQLite file of an index."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagesearch.adapters.sqlite.checksums import damage
from imagesearch.adapters.sqlite.database import PATIENCE_SECONDS, DamagedFile, SqliteDatabase
from imagesearch.adapters.sqlite.recovery import Recovery, recover

MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged row with the key of its image, or damage of the file with the file's name."""

    key: str
    reason: str


def find_damage(
    path: Path, name: str, dimension: int, *, structure: bool = True
) -> Iterator[Damage]:
    """The rows that differ from what was written, and with `structure` problems of the file.

    Raises Unavailable, and ConfigurationError for a file of another program.
    """
    try:
        database = SqliteDatabase(path, name, dimension, PATIENCE_SECONDS)
    except DamagedFile as error:
        yield Damage(path.name, error.message)
        return
    rows = False
    try:
        with database.reading_long() as connection:
            for entry, vector in database.rows(connection):
                if reason := damage(entry, vector, dimension):
                    rows = True
                    yield Damage(str(entry.key or entry.id), reason)
            if structure and not rows:
                check = connection.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})")
                yield from (Damage(path.name, text) for (text,) in check if text != "ok")
    except DamagedFile as error:
        yield Damage(path.name, error.message)
    finally:
        database.close()


def repair(path: Path, name: str, dimension: int) -> Recovery | None:
    """Delete damaged rows; replace the file if that does not suffice. See `recover`."""
    try:
        database = SqliteDatabase(path, name, dimension, PATIENCE_SECONDS)
        try:
            database.mend()
        finally:
            database.close()
    except DamagedFile:
        return recover(path, name, dimension)
    return recover(path, name, dimension) if any(find_damage(path, name, dimension)) else None
