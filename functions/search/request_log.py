"""One log line and the metrics of each request."""

import hashlib
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from imagesearch.domain.errors import ImageSearchError


@dataclass
class _Entry:
    """The log line of one request."""

    request_id: str = ""
    started: float = field(default_factory=time.perf_counter)
    fields: dict[str, Any] = field(default_factory=dict)


# Of the current request; each thread has its own.
_entry: ContextVar[_Entry] = ContextVar("entry")


def _current() -> _Entry:
    return _entry.get(None) or _Entry()


class RequestLog:
    """Collects the fields of a request's log line, none of which is user content.

    Requests in several threads or contexts have a line each.
    """

    def __init__(self, logger: Logger, metrics: EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics
        self._metrics_lock = threading.Lock()

    @property
    def request_id(self) -> str:
        """The id of the current request."""
        return _current().request_id

    def begin(self, request_id: str) -> None:
        _entry.set(_Entry(request_id))
        self._logger.thread_safe_append_keys(request_id=request_id)

    def add(self, **fields: Any) -> None:
        _current().fields.update(fields)

    def unexpected(self, error: Exception) -> None:
        """Logs the stack trace, which is never part of a response."""
        self._logger.error("unexpected error", exc_info=error)

    def unavailable(self, error: ImageSearchError) -> None:
        """Logs the cause and the hint of a 503, which may name hosts, roles and paths."""
        self._logger.error("unavailable", cause=error.message, hint=error.hint)

    def end(self, status: int) -> None:
        """Writes the log line, and the metrics in CloudWatch's embedded metric format.

        Each combination of dimensions is a billed metric: the error code is in the log line only.
        """
        entry = _current()
        ms = round((time.perf_counter() - entry.started) * 1000, 2)
        self._logger.info("request", status=status, ms=ms, **entry.fields)
        with self._metrics_lock:
            self._metrics.add_dimension("route", str(entry.fields.get("route", "none")))
            self._metrics.add_metric("Requests", MetricUnit.Count, 1)
            self._metrics.add_metric("Latency", MetricUnit.Milliseconds, ms)
            self._metrics.flush_metrics()
            self._metrics.clear_metrics()  # flushing clears nothing when metrics are disabled


def short_digest(search_id: str) -> str:
    """Identifies a search in the log without its ID, with which feedback can be given."""
    return hashlib.sha256(search_id.encode()).hexdigest()[:12]
