"""Which model a word on the command line means.

Where models that were pulled are kept: one folder for each user, whatever is indexed.

A model's folder in the cache: whether it is whole, and how it comes to be there at once.

Brings a known model into the cache: every file checked, and the folder there at once or not.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import imagesearch
from imagesearch.domain.errors import ConfigurationError
from imagesearch.downloads.http_download import Downloader, bring, entry_of
from imagesearch.embedding.manifest import MANIFEST, Manifest, load_manifest, verified
from imagesearch.embedding.model_catalog import CatalogEntry, Pin
from imagesearch.embedding.model_catalog import catalog_entries as models_to_pull
from imagesearch.embedding.session import signed_weights_are_exact
from local.errors import UsageError
from local.workspace import Workspace

CACHE = "IMAGESEARCH_CACHE"


def models_cache(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The folder `models` of IMAGESEARCH_CACHE, or of the platform's place for caches."""
    if given := environ.get(CACHE):
        return Path(given).expanduser().absolute() / "models"
    return _caches(environ, platform) / "imagesearch" / "models"


def _caches(environ: Mapping[str, str], platform: str) -> Path:
    """XDG: a path that is not absolute is to be ignored."""
    if (given := Path(environ.get("XDG_CACHE_HOME", ""))).is_absolute():
        return given
    if platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if platform == "win32" and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"])
    return Path.home() / ".cache"


STARTER, BETTER = "starter", "clip-vit-b-32"
_BETTER_NOTICE = (
    f"the starter model is in use; `imagesearch models pull {BETTER}` gets CLIP,"
    " which knows far more"
)
_LAYERS = Path(imagesearch.__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and what a user who did not ask for it should hear."""

    model: str
    notice: str = ""


def choice(given: str | None, recorded: str | None, known: dict[str, Path]) -> Choice:
    """What was asked for, else what the folder is indexed with, else the best that is here.

    A folder keeps its model: with another it would be embedded anew, unasked.
    """
    if given:
        return Choice(given)
    if recorded == STARTER and BETTER in known:
        return Choice(
            STARTER,
            f"this folder is indexed with the starter model; {BETTER} is here too:"
            f" `imagesearch reindex --model {BETTER}` fills an index for it,"
            f" and `--model {BETTER}` then takes it into use",
        )
    if recorded:
        notice = _BETTER_NOTICE if recorded == STARTER else ""
        return Choice(recorded, notice)
    return Choice(BETTER) if BETTER in known else Choice(STARTER, _BETTER_NOTICE)


def model_in_use(given: str | None, workspace: Workspace) -> str:
    """The model that a question about an indexed folder is put to."""
    return choice(given, workspace.model, installed_models(workspace.directory.parent)).model


def model_folder(wanted: str, data_dir: Path) -> Path:
    """The folder of a model known by name, or given as a path; raises WrongUsage."""
    known = installed_models(data_dir)
    if wanted in known:
        return known[wanted]
    if _holds_model(folder := Path(wanted).expanduser()):
        return folder.resolve()
    if wanted in (model.name for model in models_to_pull()):
        raise UsageError(f"{wanted} is not here yet: `imagesearch models pull {wanted}` gets it")
    raise UsageError(
        f"there is no model {wanted!r}: take one of {', '.join(known) or 'none'},"
        " or the path of a folder with a manifest.json"
    )


def model_name(folder: Path, data_dir: Path) -> str:
    """What names this model in every working directory."""
    names = (name for name, known in installed_models(data_dir).items() if known == folder)
    return next(names, str(folder))


def installed_models(data_dir: Path, cache: Path | None = None) -> dict[str, Path]:
    """The starter model, those in the data directory's `models`, and those pulled, by name."""
    folders = {STARTER: _LAYERS / "starter_model" / "starter_model"}
    for place in (data_dir.expanduser() / "models", cache or models_cache(os.environ)):
        # A name that begins with a dot is of a model that is still coming, or going.
        for folder in sorted(place.glob("[!.]*")):
            folders.setdefault(folder.name, folder.resolve())
    return {name: folder for name, folder in folders.items() if _holds_model(folder)}


def _holds_model(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()


def check_files(folder: Path) -> Manifest:
    """The manifest of a folder whose files are all as it says; raises ConfigurationError."""
    manifest = load_manifest(folder)
    for name in manifest.files:
        verified(folder, name, manifest)
    return manifest


def is_pulled(model: CatalogEntry, folder: Path) -> bool:
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


def replace_directory(new: Path, folder: Path) -> None:
    """The new folder becomes `folder`; what was there before is deleted."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """No other process is at this folder meanwhile. Raises WrongUsage where one is.

    The operating system lets go of the lock when a process ends, however it ends.
    """
    import fcntl

    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{folder.name} is being pulled by another process already") from error
        yield


ELSEWHERE = "set IMAGESEARCH_CACHE to another folder"


class Watched(Protocol):
    """Shows how far a file is: its name, its size where that is known, and the bytes here."""

    def __call__(self, name: str, total: int | None, here: int) -> None: ...


def _unwatched(name: str, total: int | None, here: int) -> None:
    pass


@dataclass(frozen=True)
class Puller:
    """`signed_is_exact` says whether this machine computes the same with signed weights; `pause`
    waits between attempts, in seconds."""

    cache: Path
    watch: Watched = _unwatched
    signed_is_exact: Callable[[], bool] = signed_weights_are_exact
    pause: Callable[[float], None] = time.sleep

    def pull(self, model: CatalogEntry, *, allow_unpinned: bool = False) -> Path:
        """The folder of the model, fetched where it is not there, or not whole.

        Raises WrongUsage, Unavailable, NotFound, ConfigurationError.
        """
        folder = self.cache / model.name
        if is_pulled(model, folder):
            return folder
        if model.unpinned and not allow_unpinned:
            raise UsageError(
                f"nobody vouches for the files of {model.name} ({', '.join(model.unpinned)}):"
                " with --allow-unpinned they are taken as they come, and their hashes recorded"
            )
        self._make_cache()
        with exclusive_lock(folder):
            if not is_pulled(model, folder):
                self._fill(model, folder)
        return folder

    def _fill(self, model: CatalogEntry, folder: Path) -> None:
        coming = folder.with_name(f".{folder.name}.coming")
        coming.mkdir(exist_ok=True)
        for name, pin in model.pins.items():
            bring(pin, coming / name, self._downloader(name, pin))
        graphs = model.graphs if self.signed_is_exact() else set()
        files = {
            name: entry_of(coming / name, make_weights_signed=name in graphs) for name in model.pins
        }
        write_manifest(coming, model.manifest_with(files))
        replace_directory(coming, folder)

    def _downloader(self, name: str, pin: Pin) -> Downloader:
        def tell(here: int) -> None:
            self.watch(name, pin.bytes, here)

        return Downloader(tell, self.pause, ELSEWHERE, "the same command goes on from there")

    def _make_cache(self) -> None:
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot make {self.cache}: {error.strerror}",
                ELSEWHERE,
            ) from error
