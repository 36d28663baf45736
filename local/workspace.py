"""Where a folder's index lies: one data directory holds the indexes of many folders."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesearch.adapters.filesystem.own_data import DERIVED, INDEX, LAST_USED, RECORD, mark
from local.errors import UsageError

MOST_OTHERS = 16


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder of images, the place of its indexes, the model in use, and the one to come."""

    folder: Path
    directory: Path
    model: str | None = None
    next_model: str | None = None

    @property
    def digest(self) -> str:
        """Tells the folder from others of the same name."""
        return _digest(self.folder)

    @property
    def index_file(self) -> Path:
        return self.directory / INDEX

    @property
    def derived(self) -> Path:
        """What is made of the images and can be made again."""
        return self.directory / DERIVED

    def others(self) -> list["Workspace"]:
        """Workspaces in the same data directory that have an index of their own, up to 16.

        Those whose folder is gone come first, because it may have been moved here, then the newest.
        """
        found = [
            Workspace(Path(str(_recorded(directory).get("folder", ""))), directory)
            for directory in _directories(self.directory.parent)
            if directory != self.directory or uses_server()
        ]
        dated = [(each.folder.is_dir(), -_changed(each.index_file), each) for each in found]
        dated.sort(key=lambda one: one[:2])
        return [each for _, changed, each in dated if changed][:MOST_OTHERS]

    def must_be_indexed(self) -> None:
        """Raises WrongUsage where it is not."""
        if not uses_server() and not self.index_file.is_file():
            raise UsageError(
                f"there is no index of {self.folder} yet: run `imagesearch index` with it first"
            )

    def remember(self, model: str) -> None:
        """Make this the folder, and this the model, that a later search takes by default.

        Raises WrongUsage where nothing can be kept.
        """
        to_come = _recorded(self.directory).get("next_model")
        with self._keeping():
            self._record(model, to_come if to_come != model else None)
            (self.directory.parent / LAST_USED).write_text(self.directory.name + "\n")

    def expect(self, next_model: str | None) -> None:
        """Note which model is to come; what is taken by default stays. Raises WrongUsage."""
        with self._keeping():
            self._record(_recorded(self.directory).get("model"), next_model)

    def _record(self, model: str | None, next_model: str | None) -> None:
        record = {"folder": str(self.folder), "model": model, "next_model": next_model}
        if not self.directory.is_dir() and self.directory.parent != self.folder:
            mark(self.directory.parent)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / RECORD).write_text(json.dumps(record, indent=2) + "\n")

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"cannot keep an index in {self.directory}: {error.strerror}"
            ) from error


def uses_server() -> bool:
    """Whether INDEX_URL names an OpenSearch server in place of the embedded index."""
    return os.environ.get("INDEX_URL", "").startswith(("http://", "https://"))


def workspace_of(folder: Path, data_dir: Path) -> Workspace:
    """The workspace of a folder that is there; raises WrongUsage."""
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        raise UsageError(f"{folder} is {'not a folder' if folder.exists() else 'not there'}")
    if not _is_utf8(folder):
        raise UsageError("the folder's path is not valid UTF-8: give the folder another name")
    directory = data_dir.expanduser().resolve() / f"{folder.name or 'root'}-{_digest(folder)}"
    recorded = _recorded(directory)
    return Workspace(folder, directory, recorded.get("model"), recorded.get("next_model"))


def last_used(data_dir: Path) -> Workspace:
    """The workspace that was indexed or served last; raises WrongUsage when there is none."""
    try:
        name = (data_dir.expanduser() / LAST_USED).read_text().strip()
        folder = _recorded(data_dir.expanduser() / name)["folder"]
    except (OSError, KeyError) as error:
        raise UsageError(
            f"there is no index in {data_dir} yet: run `imagesearch index FOLDER` first"
        ) from error
    return workspace_of(Path(folder), data_dir)


def _directories(data_dir: Path) -> list[Path]:
    try:
        return [entry for entry in data_dir.iterdir() if entry.is_dir()]
    except OSError:
        return []


def _changed(file: Path) -> float:
    """Seconds since 1970; 0 where there is no such file."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _digest(folder: Path) -> str:
    return hashlib.sha256(str(folder).encode()).hexdigest()[:8]


def _recorded(directory: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((directory / RECORD).read_text()))
    except (OSError, ValueError):
        return {}


def _is_utf8(path: Path) -> bool:
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:
        return False
