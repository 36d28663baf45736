"""A file that is still arriving: under another name until it is whole and checked."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path

from imagesearch.errors import ConfigurationError


class HalfFile:
    """`x.part` beside `x`, with the etag of what it is a part of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._etag = path.with_name(f"{path.name}.part.etag")

    @property
    def size(self) -> int:
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def etag(self) -> str | None:
        try:
            return self._etag.read_text()
        except FileNotFoundError:
            return None

    def begin(self, etag: str | None) -> None:
        """Start from nothing, with a file that has this etag."""
        with _in_a_sentence(self._part):
            self._etag.unlink(missing_ok=True)
            self._part.open("wb").close()
            if etag:
                self._etag.write_text(etag)

    def add(self, chunks: Iterable[bytes]) -> Iterator[int]:
        """Append; the size after each chunk. Raises ConfigurationError where it cannot be kept."""
        size = self.size
        with _in_a_sentence(self._part), self._part.open("ab", buffering=0) as file:
            for chunk in chunks:
                rest = memoryview(chunk)
                while rest:
                    rest = rest[file.write(rest) or 0 :]
                size += len(chunk)
                yield size

    def need_room_for(self, missing: int) -> None:
        """Raises ConfigurationError where the disk has less free."""
        free = shutil.disk_usage(self._part.parent).free
        if missing > free:
            raise _no_room(self._part, f"{missing:,} bytes are needed and {free:,} are free")

    def digest(self) -> str:
        with self._part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def keep(self) -> None:
        """It is right: give it its name, once its bytes are on the disk."""
        with _in_a_sentence(self._part):
            with self._part.open("rb") as file:
                os.fsync(file.fileno())
            self._part.replace(self._path)
            self._etag.unlink(missing_ok=True)

    def forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._etag.unlink(missing_ok=True)


@contextmanager
def _in_a_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise _no_room(path, "it is full") from error
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror}", "set IMAGESEARCH_CACHE to another folder"
        ) from error


def _no_room(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the disk of {path.parent} has no room for {path.stem}: {why}",
        "make room or set IMAGESEARCH_CACHE to a folder elsewhere; what has arrived is kept",
        "disk_full",
    )
