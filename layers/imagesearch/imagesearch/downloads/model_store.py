"""Catalog models in S3: uploaded file by file, and removed again.

A file that is stored is not downloaded again, also if the model is incomplete. Hashes are verified
on download (`http_download.Downloader`) and on load (`manifest.verify_file`).
"""

import math
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from imagesearch.adapters.s3.model_folder import S3ModelFolder
from imagesearch.domain.errors import (
    ConfigurationError,
    ImageSearchError,
    ModelRefused,
    Unavailable,
)
from imagesearch.downloads.http_download import Downloader, digest, download_if_missing, entry_of
from imagesearch.downloads.model_source import PUBLISHERS, ModelSource
from imagesearch.embedding.calibration_file import CALIBRATION, calibrated, read_calibration
from imagesearch.embedding.manifest import MANIFEST, FileEntry, Manifest, load_manifest
from imagesearch.embedding.model_catalog import CatalogEntry, Pin, catalog_entry

REWRITTEN_FROM = "rewritten-from"  # in the metadata of an object
MODEL_KEY = re.compile(r"([^/]+/[0-9a-f]{12})/([^/]+)")
# Reserved for the self-test: CLIP ViT-B/32 takes up to 90 s on two cores with AVX2.
SELF_TEST_SECONDS = 300.0
# SigLIP 2 B/16 has about three times the work; its test was not timed on Lambda.
LARGE_MODEL_BYTES, LARGE_SELF_TEST_SECONDS = 300_000_000, 600.0
CONNECT_RETRIES = 6  # half a minute, and the connection timeouts


class OutOfTime(Unavailable):
    """The deadline passed before the work was done."""

    code = "out_of_time"


class Deadline:
    """The end of some work: after `seconds`, or when the waiting thread ends it before.

    The working thread checks it. `clock` returns seconds.
    """

    def __init__(
        self, seconds: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ended = threading.Event()
        self._clock = clock
        self._end = clock() + seconds

    def end(self) -> None:
        self._ended.set()

    @property
    def remaining(self) -> float:
        """The seconds until the end; 0 after it."""
        return 0.0 if self._ended.is_set() else max(0.0, self._end - self._clock())

    def reserving(self, seconds: float) -> "Deadline":
        """A deadline that is this much earlier, and ends at the latest with this one."""
        earlier = Deadline(clock=self._clock)
        earlier._ended, earlier._end = self._ended, self._end - seconds
        return earlier

    def check(self) -> None:
        """Raises OutOfTime."""
        if not self.remaining:
            raise OutOfTime("the deadline passed before the work was done", "try again")

    def wait(self, seconds: float) -> None:
        """Sleep; raises OutOfTime as soon as the deadline passes."""
        self._ended.wait(min(seconds, self.remaining))
        self.check()


class SelfTest(Protocol):
    """Tests and calibrates model folders."""

    def is_current(self, folder: Path) -> bool:
        """True if the folder has a manifest and the current result of the test."""

    def run(self, folder: Path, progress: Callable[[int, int], None]) -> None:
        """Write the result into the folder. Raises ModelRefused, ConfigurationError."""


@dataclass(frozen=True)
class S3ModelStore:
    """Models below a prefix of a bucket: `s3://bucket/prefix/name/version`.

    pause: waits between attempts to download, in seconds.
    self_test: calibrates a model folder, and raises ModelRefused for one that must not be used.
    source: the source of the files.
    waiting: called before a wait with its reason and its seconds.
    """

    bucket: str
    prefix: str
    s3: Any
    catalog: Callable[[str], CatalogEntry] = catalog_entry
    pause: Callable[[Deadline, float], None] = Deadline.wait
    self_test: SelfTest | None = None
    source: ModelSource = PUBLISHERS
    waiting: Callable[[str, float], object] = lambda _, __: None

    def uri(self, name: str) -> str:
        """The MODEL_URI of a model. Raises NotFound, ConfigurationError."""
        model = self._fetchable(name)
        return f"{self._uri_prefix}{model.name}/{model.version}"

    def put(self, name: str, deadline: Deadline) -> list[str]:
        """Upload the missing files of a model, or nothing; returns the names of those files.

        The model is tested and calibrated before its manifest is uploaded.

        Raises Unavailable, NotFound, ConfigurationError, ModelRefused.
        """
        model, folder = self._fetchable(name), self._folder(self.uri(name))
        try:
            return self._upload_missing(model, folder, deadline)
        except Unavailable:
            raise  # what is stored is complete and verified: the next deployment continues there
        except BaseException:
            _remove_incomplete(folder)
            raise

    def remove(self, uri: str) -> int:
        """Delete the objects of a model, and of models whose download was not completed.

        Returns their number. A URI of another store deletes incomplete models only.
        """
        name, _, version = uri.removeprefix(self._uri_prefix).partition("/")
        own = uri.startswith(self._uri_prefix) and name and version and "/" not in version
        deleted = self._folder(uri).empty() if own else 0
        return deleted + self._remove_incomplete_models()

    def _remove_incomplete_models(self) -> int:
        """Delete folders `name/version` without a manifest, which no function can load."""
        keys = S3ModelFolder(f"s3://{self.bucket}/{self.prefix}", self.s3).keys()
        found = [match for key in keys if (match := MODEL_KEY.fullmatch(key))]
        complete = {match[1] for match in found if match[2] == MANIFEST}
        incomplete = {match[1] for match in found} - complete
        return sum(self._folder(f"{self._uri_prefix}{each}").empty() for each in sorted(incomplete))

    @property
    def _uri_prefix(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}/"

    def _folder(self, uri: str) -> S3ModelFolder:
        return S3ModelFolder(uri, self.s3)

    def _fetchable(self, name: str) -> CatalogEntry:
        model = self.catalog(name)
        if model.quantization:
            raise ConfigurationError(
                f"{name} is quantized when it is pulled, which a Lambda function cannot do",
                f"pull it on your machine (`imagesearch models pull {name}`), copy its folder to S3"
                " and set ModelUri to the URI",
                "quantized_model",
            )
        return model

    def _upload_missing(
        self, model: CatalogEntry, folder: S3ModelFolder, deadline: Deadline
    ) -> list[str]:
        in_time = deadline.reserving(_self_test_seconds(model) if self.self_test else 0)
        stored = {name: _stored_entry(name, pin, folder) for name, pin in model.pins.items()}
        files = {
            name: entry or self._transfer(name, model, folder, in_time)
            for name, entry in stored.items()
        }
        deadline.check()
        manifest = model.manifest_with(files)
        self._calibrate(manifest, folder, deadline)
        _put_manifest(manifest, folder)
        return [name for name, entry in stored.items() if entry is None]

    def _calibrate(self, manifest: Manifest, folder: S3ModelFolder, deadline: Deadline) -> None:
        """Test the model in a local copy, and upload the calibration unless it is stored."""
        if self.self_test is None:
            return
        with tempfile.TemporaryDirectory(prefix="model-") as directory:
            copy = Path(directory)
            (copy / MANIFEST).write_text(manifest.as_text(), "utf-8")
            download_calibration(folder, copy)
            if self.self_test.is_current(copy):
                return
            for name in manifest.files:
                deadline.check()
                folder.download([name], copy)
            self.self_test.run(copy, lambda _, __: deadline.check())
            put_calibration(copy, folder)

    def _transfer(
        self, name: str, model: CatalogEntry, folder: S3ModelFolder, deadline: Deadline
    ) -> FileEntry:
        """Download, convert and upload one file; the disk holds one file, two during conversion."""
        downloader = Downloader(
            progress=lambda _: deadline.check(),
            pause=lambda seconds: self.pause(deadline, seconds),
            disk_hint="give the function more EphemeralStorage",
            resume_hint="the files that are stored are not downloaded again",
            waiting=self.waiting,
            remaining=lambda: deadline.remaining,
            connect_retries=CONNECT_RETRIES,
            s3=self.s3,
        )
        with tempfile.TemporaryDirectory(prefix="model-") as directory:
            path = Path(directory) / name
            pin = self.source.entry(model).pins[name]
            try:
                download_if_missing(pin, path, downloader)
            except OutOfTime as error:
                raise OutOfTime(
                    f"the time for downloads ended before {pin.url} was complete",
                    downloader.resume_hint,
                ) from error
            # On any CPU: int8 weights are exact on all of them.
            entry = entry_of(path, make_weights_signed=name in model.graphs)
            deadline.check()
            origin = {REWRITTEN_FROM: entry.rewritten_from} if entry.rewritten_from else {}
            folder.put(name, path, entry.sha256, origin)
        return entry


def _self_test_seconds(model: CatalogEntry) -> float:
    return LARGE_SELF_TEST_SECONDS if model.bytes > LARGE_MODEL_BYTES else SELF_TEST_SECONDS


def _remove_incomplete(folder: S3ModelFolder) -> None:
    """A model without manifest is unused, and its objects would block deletion of the bucket."""
    with suppress(ImageSearchError):
        if folder.find(MANIFEST) is None:
            folder.empty()


def _stored_entry(name: str, pin: Pin, folder: S3ModelFolder) -> FileEntry | None:
    """The manifest entry of a file that is stored already, if it is the pinned one."""
    stored = folder.find(name)
    if stored is None or stored.sha256 is None:
        return None
    entry = FileEntry(
        sha256=stored.sha256,
        bytes=stored.bytes,
        rewritten_from=stored.metadata.get(REWRITTEN_FROM),
    )
    return entry if entry.origin == pin.sha256 else None


def _put_manifest(manifest: Manifest, folder: S3ModelFolder) -> None:
    """Upload the manifest last, so that a model with manifest is complete."""
    with tempfile.TemporaryDirectory(prefix="model-") as directory:
        path = Path(directory) / MANIFEST
        path.write_text(manifest.as_text(), "utf-8")
        sha256, stored = digest(path), folder.find(MANIFEST)
        if stored is None or stored.sha256 != sha256:
            folder.put(MANIFEST, path, sha256, {})


@contextmanager
def copied_model(model: S3ModelFolder) -> Iterator[Path]:
    """A temporary local copy of a model, with its calibration. Raises ConfigurationError."""
    with tempfile.TemporaryDirectory(prefix="model-") as directory:
        copy = Path(directory)
        model.download([MANIFEST], copy)
        model.download(load_manifest(copy).files, copy)
        download_calibration(model, copy)
        yield copy


def download_calibration(model: S3ModelFolder, folder: Path) -> None:
    """Download the calibration of a model, if it has one, and its backgrounds."""
    model.download_if_present(CALIBRATION, folder)
    with suppress(ConfigurationError, ModelRefused):
        model.download(calibrated(folder, load_manifest(folder)).needs, folder)


def put_calibration(folder: Path, model: S3ModelFolder) -> None:
    """Upload the calibration of a local folder, after its backgrounds; unchanged files stay."""
    calibration = read_calibration(folder, load_manifest(folder))
    if calibration is None:
        return
    for name in (*calibration.files, CALIBRATION):
        sha256, stored = digest(folder / name), model.find(name)
        if stored is None or stored.sha256 != sha256:
            model.put(name, folder / name, sha256, {})
