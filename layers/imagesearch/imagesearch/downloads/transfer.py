"""One transfer of a part of a file: its response, its interruption, and the wait before the next.

Waits follow RFC 9110, section 10.2.3 (Retry-After), and exponential backoff with equal jitter:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

FIRST_BACKOFF, MAX_BACKOFF = 1.0, 30.0


class TransferInterrupted(Exception):
    """The transfer is incomplete; a retry may succeed.

    retry_after: the wait in seconds that the server asks for; None if it does not.
    no_connection: no response was received.
    """

    def __init__(
        self, reason: str, *, no_connection: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.no_connection = no_connection
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class PartialResponse:
    """A response with the bytes from `start`; `total` is the size of the file, None if unknown.

    `start` is negative if the server does not send the requested part. `chunks` yields the bytes
    in chunks of a size, and raises TransferInterrupted.
    """

    start: int
    total: int | None
    etag: str | None
    chunks: Callable[[int], Iterator[bytes]]


def backoff_seconds(interruption: TransferInterrupted, retries: int, jitter: float) -> float:
    """The wait before the next transfer, after this many retries without progress.

    `jitter` in [0, 1) spreads the requests of several clients. The wait is at least what the
    server asks for.
    """
    backoff = min(FIRST_BACKOFF * 2.0 ** min(retries, 10), MAX_BACKOFF)
    spread = backoff * (1 + jitter) / 2
    if interruption.retry_after is None:
        return spread
    return interruption.retry_after + jitter * FIRST_BACKOFF
