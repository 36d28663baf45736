"""Brings a known model into the cache: every file checked, and the folder there at once or not."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.model_catalog import KnownModel, Pin
from imagesearch.embedding.session import signed_weights_are_exact
from imagesearch.fetching.http_download import Downloader
from imagesearch.fetching.model_file import bring, entry_of
from local.errors import WrongUsage
from local.pulled_model import alone, is_pulled, take_the_place, write_manifest

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
            bring(pin, coming / name, self._downloader(name, pin))
        graphs = model.graphs if self.signed_is_exact() else set()
        files = {
            name: entry_of(coming / name, make_weights_signed=name in graphs) for name in model.pins
        }
        write_manifest(coming, model.manifest_with(files))
        take_the_place(coming, folder)

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
