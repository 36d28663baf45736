"""Download of models of the catalog into the cache, with their quantization and their test."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagesearch.domain.errors import ConfigurationError, ModelRefused
from imagesearch.downloads.http_download import Downloader, download_if_missing, entry_of
from imagesearch.downloads.model_source import PUBLISHERS, ModelSource
from imagesearch.embedding.manifest import MANIFEST, FileEntry, Manifest, Quantized
from imagesearch.embedding.model_catalog import CatalogEntry, Pin
from imagesearch.embedding.session import plainly_exact
from local.errors import UsageError
from local.file_lock import lock
from local.models.installed import CACHE, check_files, holds_model
from local.models.sources import copy_file
from local.quantization.requirement import require_onnx

if TYPE_CHECKING:
    from local.terminal.output import DownloadProgress

# The folder with the downloaded files of a model that is being quantized, inside its own.
FLOAT32 = "float32"
_CACHE_HINT = f"set {CACHE} to another folder"


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
    return next(filter(holds_model, candidates), None)


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
