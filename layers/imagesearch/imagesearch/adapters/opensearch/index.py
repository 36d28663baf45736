"""A vector index in OpenSearch: records with version numbers, and k-NN over their embeddings."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from imagesearch.adapters.opensearch.bulk import PATIENCE_SECONDS, Bulk
from imagesearch.adapters.opensearch.client import BULK_TIMEOUT
from imagesearch.adapters.opensearch.mapping import ensure_index
from imagesearch.adapters.opensearch.queries import deleted_before
from imagesearch.adapters.opensearch.records import bulk_action, removal
from imagesearch.adapters.opensearch_layout import IndexLayout
from imagesearch.adapters.opensearch_reads import OpenSearchReads
from imagesearch.domain.errors import ImageSearchError
from imagesearch.writes import Write, WriteResult, WriteStatus

# As long as the queue keeps a message: no write that was sent before the deletion is under way.
DELETIONS_KEPT = timedelta(days=7)
# Between a record and its write, what is made of the image is put away; the last request of a bulk
# takes its time, and so do the copies of a shard.
SETTLING_MARGIN = timedelta(seconds=60)
FORGET_EVERY = timedelta(days=1)
FORGET_AT_ONCE = 5000
_log = logging.getLogger(__name__)


class OpenSearchIndex(OpenSearchReads):
    """The index is made at the first write, as `layout` says; until then it is empty.

    `patience` is for how many seconds writes are repeated while the server is busy or away.
    """

    def __init__(
        self,
        url: str,
        name: str,
        dimension: int,
        *,
        model: str,
        layout: IndexLayout = IndexLayout(),  # noqa: B008 - frozen
        patience: float = PATIENCE_SECONDS,
        settling_margin: timedelta = SETTLING_MARGIN,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(url, name, dimension)
        self._model = model
        self._layout = layout
        self._clock = clock
        self._longest_write = timedelta(seconds=patience) + settling_margin
        self._bulk = Bulk(self._send, self._make_index, patience)
        self._making = threading.Lock()
        self._made = False
        self._forgot: datetime | None = None

    @property
    def settles_after(self) -> timedelta:
        """A record is made before its write, which may be repeated while patience lasts."""
        return timedelta(seconds=self._layout.refresh_seconds) + self._longest_write

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        if not writes:
            return []
        with self._making:
            if not self._made:
                self._make_index()
        now = self._clock()
        results: dict[int, WriteResult] = {}
        actions: dict[int, str] = {}
        for number, write in enumerate(writes):
            try:
                actions[number] = bulk_action(write, self._name, self._dimension, now)
            except (ValueError, TypeError, OverflowError) as error:
                reason = f"the index cannot hold this record: {error}"
                results[number] = WriteResult(WriteStatus.FAILED, reason)
        results.update(zip(actions, self._bulk.write(list(actions.values())), strict=True))
        ordered = [results[number] for number in range(len(writes))]
        if any(result.status is WriteStatus.WRITTEN for result in ordered):
            self._forget_now_and_then(now)
        return ordered

    def forget_deletions(self) -> int:
        """Remove what deleted images left behind longer ago than anything can come late."""
        old = self._search(deleted_before(self._clock() - DELETIONS_KEPT, FORGET_AT_ONCE))
        results = self._bulk.write([removal(self._name, entry) for entry in old])
        return sum(result.status is WriteStatus.WRITTEN for result in results)

    def drop(self) -> None:
        """The template goes last: a write on its way would bring back an index of another kind."""
        self._client.read_index(lambda client: client.indices.delete(index=self._name))
        self._client.read(
            lambda client: client.indices.delete_index_template(name=self._name, ignore=404)
        )

    def _forget_now_and_then(self, now: datetime) -> None:
        """Whoever writes tidies up, so that nothing else has to be deployed and watched."""
        if self._forgot and now - self._forgot < FORGET_EVERY:
            return
        self._forgot = now
        try:
            self.forget_deletions()
        except ImageSearchError as error:
            _log.warning("old deletions stay for another day: %s", error.message)

    def _send(self, body: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self._client.raw.bulk(
            body=body, params={"request_timeout": BULK_TIMEOUT}
        )
        return answer

    def _make_index(self) -> None:
        with self._client.errors():
            ensure_index(self._client.raw, self._name, self._dimension, self._model, self._layout)
        self._made = True
