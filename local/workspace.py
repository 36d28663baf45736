"""Workspaces: the index and the recorded models of each folder, below one data directory."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesearch.adapters.filesystem.own_data import DERIVED, INDEX, LAST_USED, RECORD, mark
from imagesearch.adapters.filesystem.spelling import resolved
from imagesearch.json_objects import json_object
from local.errors import UsageError

MAX_OTHERS = 16


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder of images, the directory of its indexes, its current model and its next model.

    With `switching`, the server switches to the next model as soon as its index is complete.
    """

    folder: Path
    directory: Path
    model: str | None = None
    next_model: str | None = None
    switching: bool = False

    @property
    def digest(self) -> str:
        """Distinguishes folders of the same name: 8 hexadecimal digits."""
        return _digest(self.folder)

    @property
    def index_file(self) -> Path:
        return self.directory / INDEX

    @property
    def derived(self) -> Path:
        """The directory of derived data, which can be created again from the images."""
        return self.directory / DERIVED

    def others(self) -> list["Workspace"]:
        """Up to 16 other workspaces of the data directory that have an index of their own.

        Those whose folder no longer exists come first, because it may have been moved here; then
        the newest.
        """
        candidates = [
            Workspace(Path(str(_recorded(directory).get("folder", ""))), directory)
            for directory in _directories(self.directory.parent)
            if directory != self.directory or uses_server()
        ]
        dated = [(each.folder.is_dir(), -_changed(each.index_file), each) for each in candidates]
        dated.sort(key=lambda one: one[:2])
        return [each for _, changed, each in dated if changed][:MAX_OTHERS]

    def must_be_indexed(self) -> None:
        """Raise UsageError unless the folder has an index."""
        if not uses_server() and not self.index_file.is_file():
            raise UsageError(f"{self.folder} has no index: run `imagesearch index` with it first")

    def remember(self, model: str) -> None:
        """Make this folder and this model the defaults of later searches.

        Raises UsageError if the data directory is not writable.
        """
        recorded = _recorded(self.directory)
        next_model = recorded.get("next_model")
        with self._write_errors():
            if next_model in (None, model):
                self._record(model, None)
            else:
                self._record(model, next_model, bool(recorded.get("switching")))
            _replace(self.directory.parent / LAST_USED, self.directory.name)

    def expect(self, next_model: str | None, *, switching: bool = False) -> None:
        """Record the next model; the defaults of searches stay the same. Raises UsageError."""
        with self._write_errors():
            self._record(_recorded(self.directory).get("model"), next_model, switching)

    def _record(self, model: str | None, next_model: str | None, switching: bool = False) -> None:
        record: dict[str, Any] = {
            "folder": str(self.folder),
            "model": model,
            "next_model": next_model,
        }
        if switching:
            record["switching"] = True
        if not self.directory.is_dir() and self.directory.parent != self.folder:
            mark(self.directory.parent)
        if self.directory.is_symlink() and not self.directory.exists():
            self.directory.unlink()  # an adopted index that was deleted
        self.directory.mkdir(parents=True, exist_ok=True)
        _replace(self.directory / RECORD, json.dumps(record, indent=2))

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UsageError(
                f"cannot write the index to {self.directory}: {error.strerror}"
            ) from error


def uses_server() -> bool:
    """True if INDEX_URL names an OpenSearch server instead of the SQLite index."""
    return os.environ.get("INDEX_URL", "").startswith(("http://", "https://"))


def workspace_of(folder: Path, data_dir: Path) -> Workspace:
    """The workspace of an existing folder. Raises UsageError."""
    folder = resolved(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} {'is not a folder' if folder.exists() else 'does not exist'}")
    if not _is_utf8(folder):
        raise UsageError("the path of the folder is not valid UTF-8: rename the folder")
    directory = data_dir.expanduser().resolve() / f"{folder.name or 'root'}-{_digest(folder)}"
    return _workspace(folder, directory)


def _workspace(folder: Path, directory: Path) -> Workspace:
    recorded = _recorded(directory)
    return Workspace(
        folder,
        directory,
        recorded.get("model"),
        recorded.get("next_model"),
        bool(recorded.get("switching")),
    )


def workspaces(data_dir: Path) -> list[Workspace]:
    """All workspaces of a data directory by their folders, which may no longer exist."""
    data_dir = data_dir.expanduser().resolve()
    folders = ((each, _recorded(each).get("folder")) for each in _directories(data_dir))
    found = [_workspace(Path(folder), each) for each, folder in folders if folder]
    return sorted(found, key=lambda workspace: workspace.folder)


def workspace_around(path: Path, data_dir: Path) -> Workspace | None:
    """The workspace of the innermost indexed folder that contains a path, or is it."""
    path = resolved(path)
    around = [each for each in workspaces(data_dir) if path.is_relative_to(each.folder)]
    return max(around, key=lambda each: len(each.folder.parts), default=None)


def last_used(data_dir: Path) -> Workspace:
    """The workspace that was indexed or served last. Raises UsageError if there is none."""
    try:
        name = (data_dir.expanduser() / LAST_USED).read_text("utf-8", "replace").strip()
        folder = _recorded(data_dir.expanduser() / name)["folder"]
    except (OSError, KeyError) as error:
        raise UsageError(
            f"{data_dir} has no index: run `imagesearch index FOLDER` first"
        ) from error
    return workspace_of(Path(folder), data_dir)


def selected_workspace(folder: Path | None, data_dir: Path) -> Workspace:
    """The workspace of the folder; without one, of the current directory, or the last used.

    Raises UsageError.
    """
    if folder:
        return workspace_of(folder, data_dir)
    return workspace_around(Path(), data_dir) or last_used(data_dir)


def workspace_and_prefix(
    folder: Path | None, inside: Path | None, data_dir: Path
) -> tuple[Workspace, str]:
    """The workspace, and the prefix of the keys in its folder `inside`, such as `2024/`.

    `inside` is a path, or relative to the indexed folder. Raises UsageError.
    """
    if inside is None:
        return selected_workspace(folder, data_dir), ""
    workspace = workspace_of(folder, data_dir) if folder else workspace_around(inside, data_dir)
    workspace = workspace or selected_workspace(None, data_dir)
    for path in (resolved(inside), resolved(workspace.folder / inside)):
        if path.is_dir() and path.is_relative_to(workspace.folder):
            prefix = path.relative_to(workspace.folder).as_posix()
            return workspace, "" if prefix == "." else f"{prefix}/"
    raise UsageError(f"--in {inside}: there is no such folder in {workspace.folder}")


def _directories(data_dir: Path) -> list[Path]:
    try:
        return [entry for entry in data_dir.iterdir() if entry.is_dir()]
    except OSError:
        return []


def _changed(file: Path) -> float:
    """Seconds since 1970; 0 if there is no such file."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _digest(folder: Path) -> str:
    import hashlib

    return hashlib.sha256(str(folder).encode()).hexdigest()[:8]


def _recorded(directory: Path) -> dict[str, Any]:
    try:
        recorded = json_object((directory / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    kinds = {"switching": bool}
    return {
        name: value for name, value in recorded.items() if isinstance(value, kinds.get(name, str))
    }


def _replace(file: Path, text: str) -> None:
    """Replace the file atomically: on a full disk, the previous one stays."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(f"{text}\n", "utf-8")
    part.replace(file)


def _is_utf8(path: Path) -> bool:
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:
        return False
