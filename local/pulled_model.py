"""A model's folder in the cache: whether it is whole, and how it comes to be there at once."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.manifest import MANIFEST, Manifest, load_manifest
from imagesearch.embedding.model_catalog import KnownModel
from imagesearch.embedding.model_files import verified
from local.errors import WrongUsage


def check_files(folder: Path) -> Manifest:
    """The manifest of a folder whose files are all as it says; raises ConfigurationError."""
    manifest = load_manifest(folder)
    for name in manifest.files:
        verified(folder, name, manifest)
    return manifest


def is_pulled(model: KnownModel, folder: Path) -> bool:
    """Whether the folder holds these files, undamaged; its manifest is brought up to date."""
    try:
        manifest = check_files(folder)
    except ConfigurationError:
        return False
    for name, pin in model.pins.items():
        if name not in manifest.files or pin.sha256 not in (None, manifest.files[name].origin):
            return False
    measured = {"quality": manifest.quality, "relevance": manifest.relevance}
    newest = model.manifest_with(manifest.files).model_copy(update=measured)
    if newest != manifest:
        write_manifest(folder, newest)
    return True


def write_manifest(folder: Path, manifest: Manifest) -> None:
    coming = folder / f"{MANIFEST}.part"
    coming.write_text(manifest.as_text())
    coming.replace(folder / MANIFEST)


def take_the_place(new: Path, folder: Path) -> None:
    """The new folder becomes `folder`; what was there before is deleted."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process is at this folder meanwhile. Raises WrongUsage where one is.

    The operating system lets go of the lock when a process ends, however it ends.
    """
    import fcntl

    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WrongUsage(f"{folder.name} is being pulled by another process already") from error
        yield
