"""Bulk writes to OpenSearch: split, repeated while the server is busy, one result for each."""

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
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
PATIENCE_SECONDS = 25.0
BUSY = frozenset({429, 500, 502, 503, 504})
REFUSED = frozenset({400, 413})
# Writes are blocked while disks are full: with 429 by the server itself, with 403 by AWS.
BLOCKED = "cluster_block_exception"

Send: TypeAlias = Callable[[str], Mapping[str, Any]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retry:
    """A write that is to be sent once more, and why."""

    reason: str
    make_index: bool = False


@dataclass(frozen=True, slots=True)
class Bulk:
    """How bulk requests are sent; time is passed in so that tests need not wait.

    `send` takes the body of one `_bulk` request, `make_index` is called where the index is gone or
    lacks a field. No further request begins after `patience` seconds; the last one ends by its own
    timeout.
    """

    send: Send
    make_index: Callable[[], None]
    patience: float = PATIENCE_SECONDS
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    # Functions that start from one snapshot share the state of `random`, and would pause alike.
    jitter: Callable[[], float] = field(default=random.SystemRandom().random)

    def write(self, actions: Sequence[str]) -> list[WriteResult]:
        """Send actions, each with its source line; a repeated one that had landed conflicts."""
        deadline = self.clock() + self.patience
        results: list[WriteResult | Retry] = [Retry("not sent")] * len(actions)
        pause = FIRST_PAUSE
        while True:
            self._attempt(actions, results, deadline)
            waiting = [result for result in results if isinstance(result, Retry)]
            if not waiting or self.clock() + pause > deadline:
                return [_settled(result) for result in results]
            _log.warning("%d writes are sent again: %s", len(waiting), waiting[0].reason)
            if any(result.make_index for result in waiting):
                self.make_index()
            self.sleep(pause * (0.5 + self.jitter() / 2))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _attempt(
        self, actions: Sequence[str], results: list[WriteResult | Retry], deadline: float
    ) -> None:
        numbers = [number for number, result in enumerate(results) if isinstance(result, Retry)]
        for place, part in enumerate(_parts(numbers, actions)):
            if place and self.clock() > deadline:
                return
            answers = self._answers([actions[number] for number in part], deadline)
            for number, answer in zip(part, answers, strict=True):
                results[number] = answer

    def _answers(self, actions: Sequence[str], deadline: float) -> list[WriteResult | Retry]:
        """One for each; where the server refuses them together, one may be to blame: by halves."""
        try:
            items = self.send("".join(actions))["items"]
        except OpenSearchException as error:
            if len(actions) > 1 and _is_refused(error) and self.clock() <= deadline:
                half = len(actions) // 2
                return [
                    *self._answers(actions[:half], deadline),
                    *self._answers(actions[half:], deadline),
                ]
            return [_of_request(error)] * len(actions)
        return [_of_item(item) for entry in items for item in entry.values()]


def _parts(numbers: Iterable[int], actions: Sequence[str]) -> Iterator[list[int]]:
    part: list[int] = []
    size = 0
    for number in numbers:
        # Actions are ASCII: characters are bytes.
        if part and (len(part) == BULK_ITEMS or size + len(actions[number]) > BULK_BYTES):
            yield part
            part, size = [], 0
        part.append(number)
        size += len(actions[number])
    if part:
        yield part


def _is_refused(error: OpenSearchException) -> bool:
    """Whether a request's content is refused (400, 413), and not its sender or its moment."""
    return isinstance(error, TransportError) and error.status_code in REFUSED


def _of_request(error: OpenSearchException) -> WriteResult | Retry:
    if isinstance(error, NoConnection):
        return Retry(connection_error(error))
    if isinstance(error, TransportError) and (error.status_code in BUSY or error.error == BLOCKED):
        return Retry(f"OpenSearch answered {error.status_code} {error.error}")
    return WriteResult(WriteStatus.FAILED, f"OpenSearch refuses the request: {error}")


def _of_item(item: Mapping[str, Any]) -> WriteResult | Retry:
    status, error = item["status"], item.get("error", {})
    if status < 300:
        return WriteResult(WriteStatus.WRITTEN)
    if error.get("type") == "index_not_found_exception":
        return Retry("the index is gone", make_index=True)
    # An older version of this code made the index again, after this one had completed it.
    if error.get("type") == "strict_dynamic_mapping_exception":
        return Retry(str(error.get("reason")), make_index=True)
    # 404: what was to be updated is not there, so it has not the expected version either.
    if status in (404, 409):
        return WriteResult(WriteStatus.CONFLICT, "the entry has another version")
    reason = f"{error.get('type')}: {error.get('reason')}"
    if status in BUSY or error.get("type") == BLOCKED:
        return Retry(reason)
    return WriteResult(WriteStatus.FAILED, reason)


def _settled(result: WriteResult | Retry) -> WriteResult:
    if isinstance(result, WriteResult):
        return result
    return WriteResult(WriteStatus.FAILED, result.reason)
