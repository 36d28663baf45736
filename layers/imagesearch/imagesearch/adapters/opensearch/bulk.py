"""Bulk writes to OpenSearch: split by size, retried with back-off, one result for each action.

opensearch-py's `streaming_bulk` retries 429 alone, has no deadline, and fails a whole chunk for
one malformed action.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import OpenSearchException, TransportError

from imagesearch.adapters.opensearch.client import connection_error
from imagesearch.domain.ports import WriteResult, WriteStatus

BULK_BYTES = 5 * 2**20
BULK_ITEMS = 500
INITIAL_BACKOFF = 0.2
MAX_BACKOFF = 5.0
PATIENCE_SECONDS = 25.0
BUSY = frozenset({429, 500, 502, 503, 504})
REJECTED = frozenset({400, 413})
# Writes are blocked while disks are full: status 429 by OpenSearch, 403 by the AWS service.
BLOCKED = "cluster_block_exception"

Send: TypeAlias = Callable[[str], Mapping[str, Any]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryAction:
    """An action to send again, with the reason."""

    reason: str
    make_index: bool = False


@dataclass(frozen=True, slots=True)
class Bulk:
    """Sends actions as `_bulk` requests until each is written, conflicts or fails.

    `send` takes the body of one `_bulk` request. `make_index` is called where the index is missing
    or lacks a field. No request starts after `patience` seconds; the last one ends by its timeout.
    """

    send: Send
    make_index: Callable[[], None]
    patience: float = PATIENCE_SECONDS
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    # Functions restored from one snapshot share the state of `random` and would not spread.
    jitter: Callable[[], float] = field(default=random.SystemRandom().random)

    def write(self, actions: Sequence[str]) -> list[WriteResult]:
        """Send actions, each with its source line; a retry of an applied action conflicts."""
        deadline = self.clock() + self.patience
        results: list[WriteResult | RetryAction] = [RetryAction("not sent")] * len(actions)
        pause = INITIAL_BACKOFF
        while True:
            self._attempt(actions, results, deadline)
            waiting = [result for result in results if isinstance(result, RetryAction)]
            if not waiting or self.clock() + pause > deadline:
                return [_final(result) for result in results]
            _log.warning("retrying %d writes: %s", len(waiting), waiting[0].reason)
            if any(result.make_index for result in waiting):
                self.make_index()
            self.sleep(pause * (0.5 + self.jitter() / 2))
            pause = min(2 * pause, MAX_BACKOFF)

    def _attempt(
        self, actions: Sequence[str], results: list[WriteResult | RetryAction], deadline: float
    ) -> None:
        numbers = [
            number for number, result in enumerate(results) if isinstance(result, RetryAction)
        ]
        for position, chunk in enumerate(_chunks(numbers, actions)):
            if position and self.clock() > deadline:
                return
            sent = self._send_chunk([actions[number] for number in chunk], deadline)
            for number, result in zip(chunk, sent, strict=True):
                results[number] = result

    def _send_chunk(
        self, actions: Sequence[str], deadline: float
    ) -> list[WriteResult | RetryAction]:
        """A result for each action; a rejected request is halved to isolate the invalid action."""
        try:
            items = self.send("".join(actions))["items"]
        except OpenSearchException as error:
            if len(actions) > 1 and _is_rejected(error) and self.clock() <= deadline:
                half = len(actions) // 2
                return [
                    *self._send_chunk(actions[:half], deadline),
                    *self._send_chunk(actions[half:], deadline),
                ]
            return [_of_request(error)] * len(actions)
        return [_of_item(item) for entry in items for item in entry.values()]


def _chunks(numbers: Iterable[int], actions: Sequence[str]) -> Iterator[list[int]]:
    chunk: list[int] = []
    size = 0
    for number in numbers:
        # Actions are ASCII: characters are bytes.
        if chunk and (len(chunk) == BULK_ITEMS or size + len(actions[number]) > BULK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(number)
        size += len(actions[number])
    if chunk:
        yield chunk


def _is_rejected(error: OpenSearchException) -> bool:
    """True where the content is rejected (400, 413), rather than the sender or the moment."""
    return isinstance(error, TransportError) and error.status_code in REJECTED


def _of_request(error: OpenSearchException) -> WriteResult | RetryAction:
    if isinstance(error, NoConnection):
        return RetryAction(connection_error(error))
    if isinstance(error, TransportError) and (error.status_code in BUSY or error.error == BLOCKED):
        return RetryAction(f"OpenSearch answered {error.status_code} {error.error}")
    return WriteResult(WriteStatus.FAILED, f"OpenSearch rejects the request: {error}")


def _of_item(item: Mapping[str, Any]) -> WriteResult | RetryAction:
    status, error = item["status"], item.get("error", {})
    if status < 300:
        return WriteResult(WriteStatus.WRITTEN)
    if error.get("type") == "index_not_found_exception":
        return RetryAction("the index is missing", make_index=True)
    # An older version of this code recreated the index after this one had added fields.
    if error.get("type") == "strict_dynamic_mapping_exception":
        return RetryAction(str(error.get("reason")), make_index=True)
    # 404: the document to update is missing, so it does not have the expected version.
    if status in (404, 409):
        return WriteResult(WriteStatus.CONFLICT, "the entry has another version")
    reason = f"{error.get('type')}: {error.get('reason')}"
    if status in BUSY or error.get("type") == BLOCKED:
        return RetryAction(reason)
    return WriteResult(WriteStatus.FAILED, reason)


def _final(result: WriteResult | RetryAction) -> WriteResult:
    if isinstance(result, WriteResult):
        return result
    return WriteResult(WriteStatus.FAILED, result.reason)
