"""Where a folder's index lies: one data directory holds the indexes of many folders."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from local.refusal import WrongUsage

LAST_USED = "last-used"
RECORD = "workspace.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder of images, the model that it was indexed with, and the place of its index."""

    folder: Path
    directory: Path
    model: str | None = None

    @property
    def index_file(self) -> Path:
        return self.directory / "index.db"

    def remember(self, model: str) -> None:
        """Make this the folder, and this the model, that a later search takes by default.

        Raises WrongUsage where nothing can be kept.
        """
        record = json.dumps({"folder": str(self.folder), "model": model}, indent=2)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            (self.directory / RECORD).write_text(record + "\n")
            (self.directory.parent / LAST_USED).write_text(self.directory.name + "\n")
        except OSError as error:
            raise WrongUsage(
                f"cannot keep an index in {self.directory}: {error.strerror}"
            ) from error


def workspace_of(folder: Path, data_dir: Path) -> Workspace:
    """The workspace of a folder that is there; raises WrongUsage."""
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        raise WrongUsage(f"{folder} is {'not a folder' if folder.exists() else 'not there'}")
    if not _is_utf8(folder):
        raise WrongUsage("the folder's path is not valid UTF-8: give the folder another name")
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    directory = data_dir.expanduser().resolve() / f"{folder.name or 'root'}-{digest}"
    return Workspace(folder, directory, _recorded(directory).get("model"))


def last_used(data_dir: Path) -> Workspace:
    """The workspace that was indexed or served last; raises WrongUsage when there is none."""
    try:
        name = (data_dir.expanduser() / LAST_USED).read_text().strip()
        folder = _recorded(data_dir.expanduser() / name)["folder"]
    except (OSError, KeyError) as error:
        raise WrongUsage(
            f"there is no index in {data_dir} yet: run `imagesearch index FOLDER` first"
        ) from error
    return workspace_of(Path(folder), data_dir)


def _recorded(directory: Path) -> dict[str, str]:
    try:
        return dict(json.loads((directory / RECORD).read_text()))
    except (OSError, ValueError):
        return {}


def _is_utf8(path: Path) -> bool:
    try:
        return bool(str(path).encode())
    except UnicodeEncodeError:
        return False
