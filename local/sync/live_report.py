"""Report on rejected and recovered images while the server runs."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import Document, ImageRef, Status
from imagesearch.domain.ports import ImageStore, VectorIndex
from local.lambda_runtime import Handler
from local.sync.queue import image_of
from local.terminal.output import printable

# A file that is being copied is rejected with every write: only its final content counts.
QUIET_SECONDS = 2.0

Documents = Mapping[str, Document]
Say = Callable[[str], None]


def reporting(handler: Handler, store: ImageStore, index: VectorIndex, say: Say) -> Handler:
    """Wrap the handler, and start a thread that reports on its images."""
    return started_report(store, index, say).watching(handler)


def started_report(store: ImageStore, index: VectorIndex, say: Say) -> "LiveReport":
    """A report whose thread runs until `stop`.

    The function's own log, meant for CloudWatch, contains no keys.
    """
    report = LiveReport(store, index, say)
    threading.Thread(target=report.run, daemon=True, name="live report").start()
    return report


class LiveReport:
    """Reports each rejected content once, when the file has not changed for `quiet` seconds."""

    def __init__(
        self,
        store: ImageStore,
        index: VectorIndex,
        say: Say,
        quiet: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._index = index
        self._say = say
        self._quiet = quiet
        self._clock = clock
        self._due: dict[ImageRef, float] = {}
        self._reported: dict[ImageRef, str] = {}
        self._changed = threading.Condition()
        self._stopped = False

    def watching(self, handler: Handler) -> Handler:
        """Wrap the handler: compare the index before and after each batch."""

        def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
            # A file that is being copied has several messages in a batch.
            refs = list(dict.fromkeys(image_of(each["body"]) for each in event["Records"]))
            before = self._documents(refs)
            response = handler(event, context)
            self._note(refs, before, self._documents(refs))
            return response

        return handle

    def run(self) -> None:
        """Report what is due, until stopped."""
        while not self._stopped:
            self.report_due()
            with self._changed:
                if self._stopped:
                    return
                self._changed.wait(min(self._due.values()) - self._clock() if self._due else None)

    def stop(self) -> None:
        """End `run`."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def report_due(self) -> None:
        """Report the rejections whose quiet time is over."""
        now = self._clock()
        with self._changed:
            due = [ref for ref, time in self._due.items() if time <= now]
            documents = self._documents(due)
            for ref in due:
                document = documents.get(ref.id)
                if not _is_rejected(document):
                    del self._due[ref]
                elif not self._is_of(document):
                    self._due[ref] = now + self._quiet
                else:
                    del self._due[ref]
                    self._reported[ref] = document.etag
                    self._say(f"rejected {printable(ref.key)}: {document.reason}")

    def _note(self, refs: Sequence[ImageRef], before: Documents, after: Documents) -> None:
        with self._changed:
            for ref in refs:
                document = after.get(ref.id)
                if _is_rejected(document):
                    if self._reported.get(ref) != document.etag:
                        self._due[ref] = self._clock() + self._quiet
                    continue
                waited = self._due.pop(ref, None) is not None
                # An image rejected before the server started was reported by an index run.
                reported = self._reported.pop(ref, None) or (
                    _is_rejected(before.get(ref.id)) and not waited
                )
                if document and reported:
                    self._say(f"searchable now: {printable(ref.key)}")
            self._changed.notify()

    def _is_of(self, document: Document) -> bool:
        """True if the file is still the rejected content: a newer one may be queued."""
        try:
            state = self._store.head(document.ref)
        except Unavailable:
            return False
        return state is not None and state.etag == document.etag

    def _documents(self, refs: Sequence[ImageRef]) -> Documents:
        """The documents by id; none while the index is unavailable, which others report."""
        try:
            stored = self._index.get([ref.id for ref in refs])
        except Unavailable:
            return {}
        return {id: entry.document for id, entry in stored.items() if entry.document}


def _is_rejected(document: Document | None) -> TypeGuard[Document]:
    return document is not None and document.status is Status.REJECTED
