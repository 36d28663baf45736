"""A served folder: its model in use, the search function, and the replacement of both.

Two models exist during a change. Each has its own index, encoders, watcher and queue, so that every
change in the folder reaches both indexes. The search function is replaced between two requests:
each request uses one model and its index.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imagesearch import bootstrap
from imagesearch.domain.counts import counted
from imagesearch.domain.errors import ConfigurationError, Unavailable, UnreadableImage
from imagesearch.domain.images import DetailOptions, EncodedImage, ImageRef, Status
from imagesearch.domain.ports import ImageEncoder, NextModel, Stored, VectorIndex
from imagesearch.indexing.planner import Outcome
from imagesearch.settings import Settings
from local import lambda_runtime
from local.errors import UsageError
from local.lambda_runtime import Handler
from local.model_switch.install import TESTING, install, test_folder
from local.model_switch.switch import INDEXING, Progress
from local.models.installed import (
    is_of_catalog,
    model_folder,
    model_name,
    models_cache,
    must_be_tested,
)
from local.models.sources import catalog_entry
from local.sync.folder_sync import FolderSync
from local.sync.initial_indexing import InitialIndexing, print_ready
from local.sync.live_report import started_report
from local.sync.queue import image_of
from local.sync.reconcile import FolderEngine, Forget, engine_with, keep_records
from local.terminal.output import print_line, printable
from local.web.gateway import Gateway

if TYPE_CHECKING:
    from rich.console import Console

POLL_SECONDS = 0.1
# The queue of a folder that changes continuously is never empty.
SETTLE_SECONDS = 30.0
# Indexing pauses this long for each batch at most while requests are in progress.
YIELD_SECONDS = 1.0
# The same for each of about 2,000 parts of the self-test.
TEST_YIELD_SECONDS = 0.1


class PacedEncoder:
    """An image encoder that calls `wait` before each batch, to give precedence to requests."""

    def __init__(self, encoder: ImageEncoder, wait: Callable[[], object]) -> None:
        self._encoder = encoder
        self._wait = wait

    @property
    def model(self) -> str:
        return self._encoder.model

    @property
    def decoder(self) -> str:
        return self._encoder.decoder

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        self._wait()
        return self._encoder.encode_images(images, details)


class ServedModel:
    """A model with its index, and the threads that keep the index in sync with the folder.

    `complete` is set when every image was processed once; `progress` has the numbers of done and of
    all images until then, `delay` the reason for a repetition.
    """

    def __init__(
        self,
        engine: FolderEngine,
        console: Console,
        *,
        ready: Callable[[], None] | None = None,
        forget: Forget = keep_records,
    ) -> None:
        """Without `ready`, nothing is printed until `complete` is set."""
        self.name = _name_of(engine)
        self.engine = engine
        self.complete = threading.Event()
        self.progress: tuple[int, int | None] = (0, None)
        self.delay = ""
        self._ready = ready
        self._console = console
        progress = None if ready else self._note_progress
        self._indexing = InitialIndexing(engine, console, self._completed, forget, progress)
        self._report = started_report(engine.store, engine.index, self._say)
        function = lambda_runtime.index_images(engine.settings, engine.indexer)
        self.sync = FolderSync(
            engine.workspace.folder,
            engine.store,
            engine.index,
            self._report.watching(function),
            self._outcomes,
        )

    def stop(self) -> None:
        """Stop the threads, each after its current batch."""
        self.sync.stop()
        self._report.stop()

    def _say(self, line: str) -> None:
        if self._ready or self.complete.is_set():
            print_line(self._console, line)

    def _note_progress(self, done: int, total: int) -> None:
        self.progress = done, total

    def _completed(self) -> None:
        if self._ready:
            self._ready()
        self.complete.set()

    def _outcomes(self) -> Iterator[Outcome]:
        try:
            yield from self._indexing.outcomes()
        except Exception as error:
            self.delay = str(error)
            raise
        self.delay = ""


class ServedFolder:
    """A folder that is searchable with one model at a time; `gateway` answers the requests.

    `next_model` returns the progress of a change of the model, for the health check.
    """

    def __init__(
        self, engine: FolderEngine, console: Console, address: str, forget: Forget = keep_records
    ) -> None:
        self.next_model: Callable[[], NextModel | None] = lambda: None
        self._workspace = engine.workspace
        self._console = console
        ready = partial(print_ready, address)
        self._current = ServedModel(engine, console, ready=ready, forget=forget)
        self.gateway = Gateway(self._search_function(self._current))

    @property
    def model(self) -> str:
        """The name of the model in use, or the path of its folder."""
        return self._current.name

    def lists(self, id: str) -> bool:
        """True if the index in use has a record of an image. Raises ImageSearchError."""
        stored = self._current.engine.index.get([id]).get(id)
        return bool(stored and stored.document)

    def start(self) -> None:
        """Start to keep the index in sync with the folder."""
        self._current.sync.start()

    def stop(self) -> None:
        self._current.stop()

    def install(self, name: str, progress: Progress) -> str:
        """See `switch.Folder`."""
        installed: Path | None = None
        with suppress(UsageError):
            installed = model_folder(name, self._data_dir)
            if not must_be_tested(name, installed):
                return ""
        cache = models_cache(os.environ)

        def report(state: str, done: int, total: int | None, message: str) -> None:
            if state == TESTING:
                self.gateway.wait_until_idle(TEST_YIELD_SECONDS)
            progress(state, done, total, message)

        if installed and not is_of_catalog(name, installed):
            return test_folder(installed, report)
        return install(catalog_entry(name), cache, report)

    def switch(self, name: str, progress: Progress) -> int:
        """See `switch.Folder`."""
        folder = model_folder(name, self._data_dir)
        settings = lambda_runtime.settings_of(self._workspace, folder)
        if settings.model_uri == self._current.engine.settings.model_uri:
            raise UsageError(f"{name} is in use already")
        try:
            model = ServedModel(self._engine(settings), self._console)
            try:
                self._workspace.expect(model.name, switching=True)
                self._fill(model, progress)
                check_index(
                    model.name,
                    self._current.engine.index,
                    model.engine.index,
                    {image_of(message.body) for message in list(model.sync.queue.dead_letters)},
                )
                search = self._search_function(model)
            except BaseException:
                model.stop()
                raise
        except BaseException:
            bootstrap.release(settings)
            raise
        self._replace(model, search)
        return model.engine.index.health().images

    @property
    def _data_dir(self) -> Path:
        return self._workspace.directory.parent

    def _engine(self, settings: Settings) -> FolderEngine:
        encoder = PacedEncoder(
            bootstrap.image_encoder(settings.model_uri),
            partial(self.gateway.wait_until_idle, YIELD_SECONDS),
        )
        indexer = bootstrap.indexer(settings, encoder=encoder)
        return engine_with(self._workspace, settings, indexer)

    def _fill(self, model: ServedModel, progress: Progress) -> None:
        """Wait until the index of the model has every image; starts its threads."""
        while not self._current.complete.wait(POLL_SECONDS):
            progress(INDEXING, 0, None, f"waiting for the index of {self._current.name}")
        model.sync.start()
        while not model.complete.wait(POLL_SECONDS):
            progress(INDEXING, *model.progress, model.delay)
        deadline = time.monotonic() + SETTLE_SECONDS
        while _is_busy(model.sync) and time.monotonic() < deadline:
            progress(INDEXING, *model.progress, "")
            time.sleep(POLL_SECONDS)
        progress(INDEXING, *model.progress, "")

    def _search_function(self, model: ServedModel) -> Handler:
        settings = model.engine.settings
        handler = lambda_runtime.search(settings, model.sync.queue, lambda: self.next_model())
        bootstrap.text_encoder(settings.model_uri).encode_texts(["a photo"])
        return handler

    def _replace(self, model: ServedModel, search: Handler) -> None:
        old = self._current
        self.gateway.replace(search)
        self._current = model
        try:
            self._workspace.remember(model.name)
        except UsageError as error:
            print_line(self._console, str(error))
        old.stop()
        settings = old.engine.settings
        del old
        bootstrap.release(settings)
        # The handlers of a model have reference cycles, which hold its sessions.
        gc.collect()


def check_index(name: str, old: VectorIndex, new: VectorIndex, failed: Set[ImageRef]) -> None:
    """Check that the new index of a model has every image of the old one.

    failed: the images that could not be indexed after several attempts.

    Raises ConfigurationError, Unavailable.
    """
    if not new.health().images and old.health().images:
        raise ConfigurationError(
            f"{name} has no usable vector for any image of the folder",
            f"check the model with `imagesearch models verify {name}`",
        )
    ids = [ref.id for ref in failed]
    before, after = old.get(ids), new.get(ids)
    missing = [ref.key for ref in failed if _is_lost(before.get(ref.id), after.get(ref.id))]
    if missing:
        images = counted(len(missing), "image")
        raise Unavailable(
            f"{images} could not be indexed with {name}, such as {printable(min(missing))}",
            "start the server again to retry",
        )


def _name_of(engine: FolderEngine) -> str:
    data_dir = engine.workspace.directory.parent
    return model_name(Path(engine.settings.model_uri), data_dir)


def _is_busy(sync: FolderSync) -> bool:
    lag = sync.queue.lag()
    return bool(lag.waiting or lag.in_flight)


def _is_lost(before: Stored | None, after: Stored | None) -> bool:
    """True if an image is searchable before a change of the model, and unknown afterwards."""
    searchable = before and before.document and before.document.status is Status.INDEXED
    return bool(searchable and not (after and after.document))
