"""A partial download: under another name until it is complete and verified."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path

from imagesearch.domain.errors import ConfigurationError


class PartialFile:
    """`x.part` next to `x`, with the ETag of the complete file in `x.part.etag`.

    `disk_hint` is the hint for a disk that cannot store it.
    """

    def __init__(self, path: Path, disk_hint: str = "choose another folder") -> None:
        self._path = path
        self._disk_hint = disk_hint
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
            return self._etag.read_text("utf-8")
        except FileNotFoundError:
            return None

    def start(self, etag: str | None) -> None:
        """Start an empty file, with the ETag of the complete one."""
        with self._disk_errors():
            self._etag.unlink(missing_ok=True)
            self._part.open("wb").close()
            if etag:
                self._etag.write_text(etag, "utf-8")

    def add(self, chunks: Iterable[bytes]) -> Iterator[int]:
        """Append; yields the size after each chunk. Raises ConfigurationError if not writable."""
        size = self.size
        with self._disk_errors(), self._part.open("ab", buffering=0) as file:
            for chunk in chunks:
                rest = memoryview(chunk)
                while rest:
                    rest = rest[file.write(rest) or 0 :]
                size += len(chunk)
                yield size

    def require_space(self, missing: int) -> None:
        """Raises ConfigurationError if the disk has less free space."""
        free = shutil.disk_usage(self._part.parent).free
        if missing > free:
            raise self._disk_full(f"{missing:,} bytes are needed and {free:,} are free")

    def digest(self) -> str:
        with self._part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def commit(self) -> None:
        """Rename to the final name, once the bytes are on the disk."""
        with self._disk_errors():
            with self._part.open("rb") as file:
                os.fsync(file.fileno())
            self._part.replace(self._path)
            self._etag.unlink(missing_ok=True)

    def discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._etag.unlink(missing_ok=True)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (ENOSPC, EDQUOT):
                raise self._disk_full("it is full") from error
            raise ConfigurationError(
                f"cannot write {self._part}: {error.strerror}", self._disk_hint
            ) from error

    def _disk_full(self, reason: str) -> ConfigurationError:
        return ConfigurationError(
            f"the disk of {self._part.parent} has no space for {self._path.name}: {reason}",
            f"free space or {self._disk_hint}; the partial download is kept",
            "disk_full",
        )
