"""Brings a known model into the cache: every file checked, and the folder there at once or not."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imagesearch.embedding.known_models import KnownModel, Pin
from imagesearch.embedding.manifest import FileEntry
from imagesearch.embedding.signed_arithmetic import signed_weights_are_exact
from imagesearch.embedding.signed_weights import signed
from imagesearch.errors import ConfigurationError
from local.http_download import Downloader
from local.pulled_model import alone, is_pulled, take_the_place, write_manifest
from local.refusal import WrongUsage


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

    def pull(self, model: KnownModel, *, allow_unpinned: bool = False) -> Path:
        """The folder of the model, fetched where it is not there, or not whole.

        Raises WrongUsage, Unavailable, NotFound, ConfigurationError.
        """
        folder = self.cache / model.name
        if is_pulled(model, folder):
            return folder
        if model.unpinned and not allow_unpinned:
            raise WrongUsage(
                f"nobody vouches for the files of {model.name} ({', '.join(model.unpinned)}):"
                " with --allow-unpinned they are taken as they come, and their hashes recorded"
            )
        self._make_cache()
        with alone(folder):
            if not is_pulled(model, folder):
                self._fill(model, folder)
        return folder

    def _fill(self, model: KnownModel, folder: Path) -> None:
        coming = folder.with_name(f".{folder.name}.coming")
        coming.mkdir(exist_ok=True)
        for name, pin in model.pins.items():
            self._fetch(name, pin, coming)
        graphs = {model.manifest["image"]["graph"], model.manifest["text"]["graph"]}
        files = {name: self._entry(coming / name, name in graphs) for name in model.pins}
        write_manifest(coming, model.manifest_with(files))
        take_the_place(coming, folder)

    def _fetch(self, name: str, pin: Pin, folder: Path) -> None:
        path = folder / name
        # Of an unpinned file, one from an earlier attempt may be of another revision.
        if pin.sha256 and path.exists() and _digest(path) == pin.sha256:
            return
        path.unlink(missing_ok=True)

        def tell(here: int) -> None:
            self.watch(name, pin.bytes, here)

        Downloader(tell, self.pause).download(pin, path)

    def _entry(self, path: Path, is_graph: bool) -> FileEntry:
        """What the manifest says of the file; a graph's unsigned weights are made signed first."""
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        faster = signed(data) if is_graph and self.signed_is_exact() else None
        if faster is None:
            return FileEntry(sha256=sha256, bytes=len(data))
        path.write_bytes(faster)
        return FileEntry(
            sha256=hashlib.sha256(faster).hexdigest(), bytes=len(faster), rewritten_from=sha256
        )

    def _make_cache(self) -> None:
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"cannot make {self.cache}: {error.strerror}",
                "set IMAGESEARCH_CACHE to another folder",
            ) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
