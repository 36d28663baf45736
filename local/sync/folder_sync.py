"""Synchronization of the index with the folder: a watcher, a queue, and runs over everything."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from imagesearch.adapters.filesystem.excludes import IGNORE_FILE
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.errors import Unavailable, Unreachable
from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import VectorIndex
from imagesearch.indexing.planner import Outcome, OutcomeKind
from local.lambda_runtime import Handler
from local.sync.queue import EventQueue, image_of, object_event, work
from local.sync.watcher import FolderWatcher, changed_keys

RECONCILE_EVERY_SECONDS = 600.0
RETRY_SECONDS = 5.0
STOP_SECONDS = 10.0

log = logging.getLogger(__name__)


class FolderSync:
    """Three threads: one watches the folder, one feeds the indexing function, one reconciles.

    `queue` holds the changes that are not processed yet.
    """

    def __init__(
        self,
        folder: Path,
        store: FolderStore,
        index: VectorIndex,
        handler: Handler,
        reconcile: Callable[[], Iterable[Outcome]],
    ) -> None:
        self._root = folder
        self._store = store
        self._index = index
        self._reconcile = reconcile
        self.queue = EventQueue()
        self._stop = threading.Event()
        self._gap = threading.Event()
        watcher = FolderWatcher(
            folder,
            self._send_changed,
            self._gap.set,
            store.fingerprint,
            self._files,
            store.excludes,
        )
        self._handler = handler
        self._threads = [
            threading.Thread(target=watcher.run, args=(self._stop,), daemon=True, name="watcher"),
            threading.Thread(
                target=work, args=(self.queue, self._handle), daemon=True, name="worker"
            ),
            threading.Thread(target=self._fill_gaps, daemon=True, name="reconcile"),
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the threads, each after its current batch."""
        self._stop.set()
        self._gap.set()
        self.queue.close()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def send(self, ref: ImageRef) -> None:
        """Queue a key for processing."""
        self.queue.send(object_event(ref))

    def _send_changed(self, paths: set[Path]) -> None:
        if rules := [path for path in paths if path.name == IGNORE_FILE]:
            self._rules_changed(rules)
        try:
            for ref in changed_keys(paths, self._store, self._index):
                self.send(ref)
        except Unavailable as error:
            log.warning(
                "cannot determine what changed, reconciling the whole folder: %s", error.message
            )
            self._gap.set()

    def _rules_changed(self, files: Iterable[Path]) -> None:
        """Reconcile: other images may be excluded now."""
        self._store.excludes.clear_caches()
        for file in files:
            if error := self._store.ignore_file_error(file.parent):
                log.warning("%s: %s: the files next to it keep their records", file, error)
        self._gap.set()

    def _files(self) -> dict[Path, str]:
        """The state of every image and every ignore file, by path."""
        images = {self._root / ref.key: state.etag for ref, state in self._store.list_images()}
        return images | self._store.excludes.ignore_files()

    def _handle(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Process a batch, without retries for files that are unreachable.

        Those are reported and processed again with the whole folder.
        """
        response = self._handler(event, context)
        refs = {record["messageId"]: image_of(record["body"]) for record in event["Records"]}
        failures = response["batchItemFailures"]
        retried = [each for each in failures if self._is_reachable(refs[each["itemIdentifier"]])]
        if len(retried) < len(failures):
            self._gap.set()
        return {**response, "batchItemFailures": retried}

    def _is_reachable(self, ref: ImageRef) -> bool:
        try:
            self._store.check_readable(ref)
        except Unreachable:
            return False
        return True

    def _fill_gaps(self) -> None:
        self._gap.wait()
        delay, logged = RETRY_SECONDS, ""
        while not self._stop.is_set():
            self._gap.clear()
            pause = RECONCILE_EVERY_SECONDS
            try:
                reached = self._reconcile_once()
                delay = RETRY_SECONDS if reached else min(2 * delay, pause)
                pause, logged = pause if reached else delay, ""
            except Unavailable as error:
                if logged != (logged := error.message):
                    log.warning("reconciling the folder failed, retrying soon: %s", error.message)
                pause = RETRY_SECONDS
            except Exception:
                # At shutdown a batch loses its threads; the next run processes it again.
                if self._stop.is_set():
                    return
                log.exception("reconciling the folder failed, retrying soon")
                pause = RETRY_SECONDS
            self._gap.wait(pause)

    def _reconcile_once(self) -> bool:
        """True if every file was reachable; otherwise a retry is due."""
        reached = True
        for outcome in self._reconcile():
            if outcome.kind is OutcomeKind.FAILED:
                if self._is_reachable(outcome.ref):
                    self.send(outcome.ref)
                else:
                    reached = False
            if self._stop.is_set():
                break
        return reached
