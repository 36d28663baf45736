"""Tells on the terminal which images are rejected while the server runs, and which recover."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import Document, ImageRef, Status
from imagesearch.domain.ports import ImageStore, VectorIndex
from local.lambda_runtime import Handler
from local.output import printable
from local.sync.queue import image_of

# A copy under way is rejected with every piece that comes: what counts is what it ends as.
QUIET_SECONDS = 2.0

Documents = Mapping[str, Document]
Say = Callable[[str], None]


def reporting(handler: Handler, store: ImageStore, index: VectorIndex, say: Say) -> Handler:
    """The same handler, and a thread that tells what became of its images.

    The function's own log, made for CloudWatch, leaves keys out.
    """
    report = LiveReport(store, index, say)
    threading.Thread(target=report.run, daemon=True, name="live report").start()
    return report.watching(handler)


class LiveReport:
    """A rejection is told once for each content, when the file has stood still for `quiet` s."""

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
        self._told: dict[ImageRef, str] = {}
        self._changed = threading.Condition()

    def watching(self, handler: Handler) -> Handler:
        """The same handler; before and after each batch the index is asked about its images."""

        def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
            refs = [image_of(record["body"]) for record in event["Records"]]
            before = self._documents(refs)
            answer = handler(event, context)
            self._note(refs, before, self._documents(refs))
            return answer

        return handle

    def run(self) -> None:
        """Tell what is due, for as long as the process runs."""
        while True:
            self.tell_due()
            with self._changed:
                self._changed.wait(min(self._due.values()) - self._clock() if self._due else None)

    def tell_due(self) -> None:
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
                    self._told[ref] = document.etag
                    self._say(f"rejected {printable(ref.key)}: {document.reason}")

    def _note(self, refs: Sequence[ImageRef], before: Documents, after: Documents) -> None:
        with self._changed:
            for ref in refs:
                document = after.get(ref.id)
                if _is_rejected(document):
                    if self._told.get(ref) != document.etag:
                        self._due[ref] = self._clock() + self._quiet
                    continue
                waited = self._due.pop(ref, None) is not None
                # What stood rejected before this server heard of it was told by an index run.
                told = self._told.pop(ref, None) or (
                    _is_rejected(before.get(ref.id)) and not waited
                )
                if document and told:
                    self._say(f"searchable now: {printable(ref.key)}")
            self._changed.notify()

    def _is_of(self, document: Document) -> bool:
        """Whether the file is still what was rejected: a change may wait for its turn."""
        try:
            state = self._store.head(document.ref)
        except Unavailable:
            return False
        return state is not None and state.etag == document.etag

    def _documents(self, refs: Sequence[ImageRef]) -> Documents:
        """What the index says of them; nothing while it is away, which others report."""
        try:
            stored = self._index.get([ref.id for ref in refs])
        except Unavailable:
            return {}
        return {id: entry.document for id, entry in stored.items() if entry.document}


def _is_rejected(document: Document | None) -> TypeGuard[Document]:
    return document is not None and document.status is Status.REJECTED
