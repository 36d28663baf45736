"""The derived store in a folder of this machine: keys are relative paths."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from imagesearch.adapters.filesystem.file_state import moment
from imagesearch.domain.errors import Unavailable

# The beginning of the names of files that are being written.
PARTIAL = ".part-"


class FolderDerived:
    """Implements DerivedStore; keys are generated, so that none leads out of the folder.

    Writes are atomic: a reader gets a complete file or none.
    """

    def __init__(self, folder: Path, base_url: str = "/") -> None:
        self._folder = folder
        self._base_url = base_url

    def put(self, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002
        path = self._folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=path.parent, prefix=PARTIAL)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(part).replace(path)
            except BaseException:
                Path(part).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._unavailable("write", key, error) from error

    def get(self, key: str) -> bytes | None:
        try:
            return (self._folder / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unavailable("read", key, error) from error

    def delete(self, key: str) -> None:
        path = self._folder / key
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise self._unavailable("delete", key, error) from error
        self._remove_empty(path.parent)

    def list_keys(self, prefix: str, after: str = "") -> Iterator[tuple[str, datetime]]:
        start = self._folder / prefix.rpartition("/")[0]
        paths = (path for path in start.rglob("*") if not path.name.startswith(PARTIAL))
        keys = (path.relative_to(self._folder).as_posix() for path in paths if path.is_file())
        for key in sorted(key for key in keys if key.startswith(prefix) and key > after):
            with suppress(FileNotFoundError):  # deleted since it was listed
                yield key, moment((self._folder / key).stat().st_mtime_ns)

    def url(self, key: str) -> str:
        return self._base_url + quote(key)

    def _remove_empty(self, folder: Path) -> None:
        """Remove the folder of an image unless it is in use again."""
        if folder != self._folder:
            try:
                folder.rmdir()
            except OSError:
                return

    def _unavailable(self, what: str, key: str, error: OSError) -> Unavailable:
        return Unavailable(
            f"cannot {what} {key} in {self._folder}: {error.strerror}",
            "check free disk space and the folder's permissions",
        )
