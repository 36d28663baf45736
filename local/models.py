"""Models on this machine: which one a command uses, where it is installed, and its download.

Downloaded models are shared by all folders: they are installed in one cache directory per user.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import imagesearch
from imagesearch.domain.errors import ConfigurationError, ModelRefused
from imagesearch.downloads.http_download import Downloader, download_if_missing, entry_of
from imagesearch.downloads.model_source import PUBLISHERS, ModelSource
from imagesearch.embedding.manifest import (
    MANIFEST,
    FileEntry,
    Manifest,
    Quantized,
    load_manifest,
    verify_file,
)
from imagesearch.embedding.model_catalog import CatalogEntry, Pin
from imagesearch.embedding.session import plainly_exact
from local.errors import UsageError
from local.file_lock import lock
from local.model_sources import catalog_entries, copy_file
from local.quantization.requirement import require_onnx
from local.workspace import Workspace

if TYPE_CHECKING:
    from local.terminal.output import DownloadProgress

CACHE = "IMAGESEARCH_CACHE"
STARTER, BETTER = "starter", "clip-vit-b-32"
_BETTER_NOTICE = (
    f"using the starter model; `imagesearch serve --model {BETTER}` installs CLIP, which recognizes"
    " far more, and switches to it"
)
# The folder with the downloaded files of a model that is being quantized, inside its own.
FLOAT32 = "float32"
_CACHE_HINT = f"set {CACHE} to another folder"
_PACKAGE = Path(imagesearch.__file__).resolve().parent
# In a wheel the model is in the package, in the repository in a layer of its own.
_STARTER_FOLDERS = (
    _PACKAGE / "starter_model",
    _PACKAGE.parents[1] / "starter_model" / "starter_model",
)


def models_cache(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The folder `models` of IMAGESEARCH_CACHE, or of the platform's cache directory."""
    if path := environ.get(CACHE):
        return Path(path).expanduser().absolute() / "models"
    return _platform_cache(environ, platform) / "imagesearch" / "models"


def _platform_cache(environ: Mapping[str, str], platform: str) -> Path:
    """XDG requires that a relative path is ignored.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if (path := Path(environ.get("XDG_CACHE_HOME", ""))).is_absolute():
        return path
    if platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if platform == "win32" and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"])
    return Path.home() / ".cache"


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and a notice for a user who did not name one."""

    model: str
    notice: str = ""


def choice(requested: str | None, recorded: str | None, installed: dict[str, Path]) -> Choice:
    """The requested model, else the one of the folder's index, else the best that is installed.

    A folder keeps its model: another one would embed every image again without a request.
    """
    if requested:
        return Choice(requested)
    if recorded == STARTER and BETTER in installed:
        return Choice(
            STARTER,
            f"this folder is indexed with the starter model, and {BETTER} is installed:"
            f" `imagesearch serve --model {BETTER}` switches to it while searches continue",
        )
    if recorded:
        notice = _BETTER_NOTICE if recorded == STARTER else ""
        return Choice(recorded, notice)
    return Choice(BETTER) if BETTER in installed else Choice(STARTER, _BETTER_NOTICE)


def model_in_use(requested: str | None, workspace: Workspace) -> str:
    """The model that answers queries about an indexed folder."""
    return choice(requested, workspace.model, installed_models(workspace.directory.parent)).model


def model_to_index_with(requested: str | None, workspace: Workspace) -> str:
    """The model to index a folder with; prints the notice of the choice on standard error."""
    chosen = choice(requested, workspace.model, installed_models(workspace.directory.parent))
    if chosen.notice:
        print(f"imagesearch: {chosen.notice}", file=sys.stderr)  # noqa: T201
    return chosen.model


def model_folder(name_or_path: str, data_dir: Path) -> Path:
    """The folder of an installed model or of a path. Raises UsageError."""
    installed = installed_models(data_dir)
    if name_or_path in installed:
        return installed[name_or_path]
    if _holds_model(folder := Path(name_or_path).expanduser()):
        return folder.resolve()
    if name_or_path in (model.name for model in catalog_entries()):
        raise UsageError(
            f"{name_or_path} is not installed: run `imagesearch models pull {name_or_path}`"
        )
    raise UsageError(
        f"there is no model {name_or_path!r}: use one of {', '.join(installed) or 'none'},"
        " or the path of a folder with a manifest.json"
    )


def model_name(folder: Path, data_dir: Path) -> str:
    """The name of an installed model, else its path: valid in every working directory."""
    names = (name for name, known in installed_models(data_dir).items() if known == folder)
    return next(names, str(folder))


def installed_models(data_dir: Path, cache: Path | None = None) -> dict[str, Path]:
    """Folders by name: the starter model, then the data directory's `models`, then the cache."""
    folders = {STARTER: next(filter(_holds_model, _STARTER_FOLDERS), _STARTER_FOLDERS[-1])}
    for parent in (data_dir.expanduser() / "models", cache or models_cache(os.environ)):
        # A leading dot marks a download under way, or a folder being replaced.
        for folder in sorted(parent.glob("[!.]*")):
            folders.setdefault(folder.name, folder.resolve())
    return {name: folder for name, folder in folders.items() if _holds_model(folder)}


def _holds_model(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def must_be_tested(name: str, folder: Path) -> bool:
    """True for a model that was never tested, or refused: one without a result of the self-test.

    A model folder whose manifest has a calibration needs none. Earlier releases did not test models
    of the catalog.
    """
    from imagesearch.embedding.self_test.run import recorded_result

    if recorded_result(folder):
        return False
    if is_of_catalog(name, folder):
        return True
    try:
        return load_manifest(folder).relevance is None
    except ConfigurationError:
        return False


def is_of_catalog(name: str, folder: Path) -> bool:
    """True for the folder in the cache of a model of the catalog."""
    cached = (models_cache(os.environ) / name).resolve()
    return folder == cached and any(entry.name == name for entry in catalog_entries())


def check_files(folder: Path) -> Manifest:
    """The manifest of a folder whose files match their hashes. Raises ConfigurationError."""
    manifest = load_manifest(folder)
    for name in manifest.files:
        verify_file(folder, name, manifest)
    return manifest


def is_pulled(model: CatalogEntry, folder: Path) -> bool:
    """True if the folder holds the catalog's files, undamaged; updates its manifest."""
    try:
        manifest = check_files(folder)
    except ConfigurationError:
        return False
    for name in model.pins:
        if name not in manifest.files or manifest.files[name].origin != model.origin(name):
            return False
    measured = {"quality": manifest.quality, "relevance": manifest.relevance}
    newest = model.manifest_with(manifest.files).model_copy(update=measured)
    if newest != manifest:
        write_manifest(folder, newest)
    return True


def original_of(model: CatalogEntry, folder: Path, cache: Path) -> Path | None:
    """The folder of the float32 model that this folder was quantized from; None without it."""
    candidates = [folder / FLOAT32]
    if model.quantized_from:
        candidates.append(cache / model.quantized_from)
    return next(filter(_holds_model, candidates), None)


def _staging(folder: Path) -> Path:
    # The suffix stays, so that downloads of earlier versions resume.
    return folder.with_name(f".{folder.name}.coming")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest atomically."""
    part = folder / f"{MANIFEST}.part"
    part.write_text(manifest.as_text(), "utf-8")
    part.replace(folder / MANIFEST)


def replace_directory(new: Path, folder: Path) -> None:
    """Rename `new` to `folder`, and delete the previous `folder`.

    POSIX has no atomic replacement of a directory that is not empty, so there is a moment without
    `folder`; readers never see a mixture.
    """
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a model folder. Raises UsageError while another process holds it.

    The operating system releases the lock when the process ends, however it ends.
    """
    with folder.with_name(f".{folder.name}.lock").open("wb") as file:
        try:
            lock(file.fileno())
        except BlockingIOError as error:
            raise UsageError(f"another process is downloading {folder.name} already") from error
        yield


def _no_progress(name: str, total: int | None, present: int) -> None:
    pass


def _no_test(folder: Path) -> None:
    pass


def _no_notice(line: str) -> None:
    pass


@dataclass(frozen=True)
class Puller:
    """Downloads models of the catalog into the cache, every file checked.

    `signed_is_fast` returns True if this CPU has instructions for signed weights; another one would
    convert them back each time that the model is loaded. `pause` waits between attempts, in
    seconds. `self_test` raises ModelRefused for a folder with a model that must not be used; the
    float32 model that it was quantized from is in its folder `FLOAT32`. `notice` gets a line for
    each graph that is quantized. `source` is the source of the files, or a folder from which they
    are copied; `waiting` is called before a wait with its reason and its seconds.
    """

    cache: Path
    progress: DownloadProgress = _no_progress
    signed_is_fast: Callable[[], bool] = plainly_exact
    pause: Callable[[float], None] = time.sleep
    self_test: Callable[[Path], None] = _no_test
    notice: Callable[[str], None] = _no_notice
    source: ModelSource | Path = PUBLISHERS
    waiting: Callable[[str, float], object] = lambda _, __: None

    def pull(self, model: CatalogEntry) -> Path:
        """The folder of the model, tested, and downloaded unless it is installed and undamaged.

        A refused model is not installed; its files are kept for another attempt. The float32 files
        of a quantized model are deleted after the test: searches do not need them, and they are
        four times as large.

        Raises UsageError, Unavailable, NotFound, ConfigurationError, ModelRefused.
        """
        folder = self.cache / model.name
        if is_pulled(model, folder):
            with exclusive_lock(folder):
                self._test_installed(folder)
            return folder
        if model.quantization:
            require_onnx(model.name)
        self._make_cache()
        with exclusive_lock(folder):
            if is_pulled(model, folder):
                self._test_installed(folder)
            else:
                self._install(model, folder)
        return folder

    def _install(self, model: CatalogEntry, folder: Path) -> None:
        staging = _staging(folder)
        staging.mkdir(exist_ok=True)
        if not is_pulled(model, staging):
            self._fill(model, staging)
        self.self_test(staging)
        shutil.rmtree(staging / FLOAT32, ignore_errors=True)
        replace_directory(staging, folder)

    def _test_installed(self, folder: Path) -> None:
        try:
            self.self_test(folder)
        except ModelRefused:
            shutil.rmtree(_staging(folder), ignore_errors=True)
            folder.rename(_staging(folder))
            raise

    def _fill(self, model: CatalogEntry, staging: Path) -> None:
        (staging / MANIFEST).unlink(missing_ok=True)
        if model.quantization:
            files = self._quantized(model, staging)
        else:
            self._download(model, staging)
            graphs = model.graphs if self.signed_is_fast() else set()
            files = {
                name: entry_of(staging / name, make_weights_signed=name in graphs)
                for name in model.pins
            }
        write_manifest(staging, model.manifest_with(files))

    def _quantized(self, model: CatalogEntry, staging: Path) -> dict[str, FileEntry]:
        """Download the float32 model into its own folder, and quantize its graphs."""
        from local.quantization.model_files import quantize_graphs

        float32 = staging / FLOAT32
        float32.mkdir(exist_ok=True)
        self._download(model, float32)
        original = model.manifest_with(
            {name: entry_of(float32 / name, make_weights_signed=False) for name in model.pins}
        )
        write_manifest(float32, original)
        quantize_graphs(
            float32, original, staging, lambda name: self.notice(f"quantizing {name} to int8")
        )
        return {name: self._entry(model, name, staging) for name in model.pins}

    def _entry(self, model: CatalogEntry, name: str, staging: Path) -> FileEntry:
        if model.quantization is None or name not in model.graphs:
            shutil.copyfile(staging / FLOAT32 / name, staging / name)
            return entry_of(staging / name, make_weights_signed=False)
        plain = entry_of(staging / name, make_weights_signed=False)
        quantized = Quantized(sha256=model.pins[name].sha256, method=model.quantization)
        return plain.model_copy(update={"quantized": quantized})

    def _download(self, model: CatalogEntry, folder: Path) -> None:
        if isinstance(self.source, Path):
            for name, pin in model.pins.items():
                copy_file(self.source / model.name, name, pin, folder / name)
            return
        for name, pin in self.source.entry(model).pins.items():
            download_if_missing(pin, folder / name, self._downloader(name, pin))

    def _downloader(self, name: str, pin: Pin) -> Downloader:
        def report(present: int) -> None:
            self.progress(name, pin.bytes, present)

        hint = "run the same command again to resume"
        return Downloader(report, self.pause, _CACHE_HINT, hint, self.waiting)

    def _make_cache(self) -> None:
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot create {self.cache}: {error.strerror}", _CACHE_HINT
            ) from error
