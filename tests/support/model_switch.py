"""A model with its index, queue and indexer, and continuous uploads and searches."""

import random
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import ImageStore, VectorIndex
from imagesearch.domain.queries import Hit, ImageQuery, Search, TextQuery
from imagesearch.indexing.consistency import ConsistencyReport, check_consistency
from imagesearch.indexing.indexer import Indexer
from imagesearch.search.searcher import Searcher
from tests.support.aws.cloud import BUCKET, Cloud, Handler, Queue, event_of
from tests.support.waiting import PATIENCE_SECONDS

PACE_SECONDS = 0.2
IDLE_SECONDS = 0.1


@dataclass
class ModelSystem:
    """The components of one model; `queue` receives every change in the bucket."""

    store: ImageStore
    index: VectorIndex
    indexer: Indexer
    searcher: Searcher
    queue: Queue
    handler: Handler

    def check_consistency(self) -> ConsistencyReport:
        return check_consistency(self.store, self.index)

    def work(self, stop: threading.Event) -> None:
        """Process messages until stopped."""
        while not stop.wait(IDLE_SECONDS):
            if messages := self.queue.receive():
                self.queue.settle(messages, self.handler(event_of(messages)))

    def outdated(self, keys: Iterable[str]) -> list[str]:
        """The keys whose index entry does not match the current object."""
        refs = [ImageRef(BUCKET, key) for key in keys]
        stored = self.index.get([ref.id for ref in refs])
        return [ref.key for ref in refs if not self._agrees(ref, stored)]

    def _agrees(self, ref, stored) -> bool:
        state, known = self.store.head(ref), stored.get(ref.id)
        document = known.document if known else None
        return (state and state.etag) == (document and document.etag)


@dataclass
class Uploading:
    """Adds, overwrites and deletes images until stopped."""

    cloud: Cloud
    pictures: list[bytes]
    keys: list[str] = field(default_factory=list)
    changes: int = 0

    def run(self, stop: threading.Event) -> None:
        draw = random.Random(7)
        while not stop.wait(PACE_SECONDS):
            key = f"live/{draw.randrange(12)}.webp"
            if draw.random() < 0.25:
                self.cloud.delete(key)
            else:
                self.cloud.put(key, draw.choice(self.pictures))
            self.changes += 1


@dataclass
class Searching:
    """Continuously searches for an unchanged image, and records wrong results."""

    searcher: Searcher
    key: str
    picture: bytes
    answered: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(IDLE_SECONDS):
            searcher = self.searcher
            own = searcher.search(Search(ImageQuery(self.picture)))
            words = searcher.search(Search(TextQuery("an owl")))
            if not own.hits or not _is_itself(own.hits[0], self.key):
                self.wrong.append(f"{searcher.model}: {own.hits[:1]}")
            other_models = {hit.document.model for hit in own.hits + words.hits} - {searcher.model}
            if other_models or not words.hits:
                self.wrong.append(f"{searcher.model} answered from {other_models or 'nothing'}")
            self.answered[searcher.model] = self.answered.get(searcher.model, 0) + 1


def _is_itself(hit: Hit, key: str) -> bool:
    return hit.document.ref.key == key and hit.score > 0.9999


@contextmanager
def running(*tasks: Callable[[threading.Event], None]):
    """Runs the tasks until the block ends, and raises their exceptions."""
    stop, raised = threading.Event(), []

    def guarded(task):
        try:
            task(stop)
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
    assert not raised, raised
