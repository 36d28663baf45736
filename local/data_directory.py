"""The user's data directory, and the indexes that earlier releases made below the current one."""

import sys
from contextlib import suppress
from pathlib import Path

from imagesearch.adapters.filesystem.own_data import (
    LAST_USED,
    MODELS,
    RECORD,
    is_own_directory,
    mark,
)
from local.errors import UsageError

# The default of an option, which is replaced by the path when a command runs.
DATA_DIR = Path("the user's data directory")
# Earlier releases kept the indexes in this directory of the current one.
OLD_DATA_DIR = Path(".imagesearch")


def user_data_dir() -> Path:
    """The platform's directory for data of this program and user."""
    import platformdirs

    return platformdirs.user_data_path("imagesearch", appauthor=False)


def default_data_dir() -> Path:
    """The user's data directory, after the adoption of OLD_DATA_DIR. Raises UsageError."""
    data_dir, old = user_data_dir(), OLD_DATA_DIR.absolute()
    try:
        if is_own_directory(old) and (names := adopt(old, data_dir)):
            print(  # noqa: T201
                f"imagesearch: {old} was made by an earlier release; its indexes are used where"
                f" they are ({', '.join(names)}): keep that directory",
                file=sys.stderr,
            )
    except OSError as error:
        raise UsageError(
            f"cannot write to {data_dir}: {error.strerror}; give another directory with --data-dir"
        ) from error
    return data_dir


def adopt(old: Path, data_dir: Path) -> list[str]:
    """Link the workspaces and models of `old` into a data directory; returns their names.

    Links leave every file in its place: an interrupted move between disks would lose thumbnails and
    deleted images, and a server of the earlier release may be running. A folder that has an index
    in the data directory keeps it. Raises OSError.
    """
    names = [each.parent.name for each in sorted(old.glob(f"*/{RECORD}"))]
    linked = [name for name in names if _link(old / name, data_dir / name)]
    for model in sorted(old.glob(f"{MODELS}/[!.]*")):
        _link(model, data_dir / MODELS / model.name)
    if linked and not (data_dir / LAST_USED).exists():
        with suppress(FileNotFoundError):
            (data_dir / LAST_USED).write_bytes((old / LAST_USED).read_bytes())
    return linked


def _link(target: Path, link: Path) -> bool:
    """True for a new link; one whose target no longer exists is replaced."""
    if link.exists():
        return False
    if not link.parent.is_dir():
        mark(link.parent)
    link.unlink(missing_ok=True)
    link.symlink_to(target, target_is_directory=True)
    return True
