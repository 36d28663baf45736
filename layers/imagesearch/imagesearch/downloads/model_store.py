"""Known models in S3: put there file by file, checked, and taken away again.

How long a piece of work may go on: until somebody else says that it is over.
"""

import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesearch.adapters.s3.model_folder import S3Folder
from imagesearch.domain.errors import ConfigurationError, ImageSearchError, Unavailable
from imagesearch.downloads.http_download import Downloader, bring, digest, entry_of
from imagesearch.embedding.manifest import MANIFEST, FileEntry, Manifest
from imagesearch.embedding.model_catalog import CatalogEntry, Pin, catalog_entry


class OutOfTime(Unavailable):
    """The work was not done when its time was over."""

    code = "out_of_time"


class Deadline:
    """Who works asks often; who waits for the work ends it."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def end(self) -> None:
        self._over.set()

    def check(self) -> None:
        """Raises OutOfTime."""
        if self._over.is_set():
            raise OutOfTime("the time was over before the work was done", "try again")

    def wait(self, seconds: float) -> None:
        """Raises OutOfTime, as soon as it is."""
        self._over.wait(seconds)
        self.check()


REWRITTEN_FROM = "rewritten-from"  # in the metadata of an object


@dataclass(frozen=True)
class S3ModelStore:
    """A part of a bucket that holds models: `s3://bucket/part/name/version`.

    `pause` waits between attempts to download, in seconds.
    """

    bucket: str
    part: str
    s3: Any
    known: Callable[[str], CatalogEntry] = catalog_entry
    pause: Callable[[Deadline, float], None] = Deadline.wait

    def uri(self, name: str) -> str:
        """What MODEL_URI is to be for the model. Raises NotFound, ConfigurationError."""
        model = self._pinned(name)
        return f"{self._begin}{model.name}/{model.version}"

    def put(self, name: str, time_left: Deadline) -> list[str]:
        """Have the model there, and nothing half of it; the names of the files that were fetched.

        Raises Unavailable, NotFound, ConfigurationError.
        """
        model, folder = self._pinned(name), self._folder(self.uri(name))
        try:
            return self._fill(model, folder, time_left)
        except BaseException:
            _forget_half(folder)
            raise

    def remove(self, uri: str) -> int:
        """Delete the model's objects, and say how many; 0 where the model is not of this shelf."""
        name, _, version = uri.removeprefix(self._begin).partition("/")
        if not (uri.startswith(self._begin) and name and version) or "/" in version:
            return 0
        return self._folder(uri).empty()

    @property
    def _begin(self) -> str:
        return f"s3://{self.bucket}/{self.part}/"

    def _folder(self, uri: str) -> S3Folder:
        return S3Folder(uri, self.s3)

    def _pinned(self, name: str) -> CatalogEntry:
        model = self.known(name)
        if model.unpinned:
            raise ConfigurationError(
                f"nobody vouches for the files of {name} ({', '.join(model.unpinned)})",
                "take a model that `imagesearch models list` calls pinned",
                "unpinned_model",
            )
        return model

    def _fill(self, model: CatalogEntry, folder: S3Folder, time_left: Deadline) -> list[str]:
        there = {name: _entry_there(name, pin, folder) for name, pin in model.pins.items()}
        files = {
            name: entry or self._bring(name, model, folder, time_left)
            for name, entry in there.items()
        }
        time_left.check()
        _put_manifest(model.manifest_with(files), folder)
        return [name for name, entry in there.items() if entry is None]

    def _bring(
        self, name: str, model: CatalogEntry, folder: S3Folder, time_left: Deadline
    ) -> FileEntry:
        """One file is on this machine at a time, twice while it is rewritten."""
        downloader = Downloader(
            lambda _: time_left.check(),
            lambda seconds: self.pause(time_left, seconds),
            "give the function more EphemeralStorage",
            "they are fetched anew next time",
        )
        with tempfile.TemporaryDirectory(prefix="model-") as here:
            path = Path(here) / name
            bring(model.pins[name], path, downloader)
            # Whatever CPU this is: graphs are run so that signed weights are exact on any.
            entry = entry_of(path, make_weights_signed=name in model.graphs)
            time_left.check()
            origin = {REWRITTEN_FROM: entry.rewritten_from} if entry.rewritten_from else {}
            folder.put(name, path, entry.sha256, origin)
        return entry


def _forget_half(folder: S3Folder) -> None:
    """A model without a manifest is in use nowhere, and must not keep the bucket from going."""
    with suppress(ImageSearchError):
        if folder.find(MANIFEST) is None:
            folder.empty()


def _entry_there(name: str, pin: Pin, folder: S3Folder) -> FileEntry | None:
    """What the manifest says of a file that is there already, if it is the one that is pinned."""
    found = folder.find(name)
    if found is None or found.sha256 is None:
        return None
    entry = FileEntry(
        sha256=found.sha256,
        bytes=found.bytes,
        rewritten_from=found.metadata.get(REWRITTEN_FROM),
    )
    return entry if entry.origin == pin.sha256 else None


def _put_manifest(manifest: Manifest, folder: S3Folder) -> None:
    """Last, so that a model with a manifest is whole."""
    with tempfile.TemporaryDirectory(prefix="model-") as here:
        path = Path(here) / MANIFEST
        path.write_text(manifest.as_text())
        sha256, found = digest(path), folder.find(MANIFEST)
        if found is None or found.sha256 != sha256:
            folder.put(MANIFEST, path, sha256, {})
