"""One log line and the metrics of each request."""

import hashlib
import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from imagesearch.domain.errors import ImageSearchError


class RequestLog:
    """Collects the fields of the current request's log line, none of which is user content."""

    def __init__(self, logger: Logger, metrics: EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics
        self._fields: dict[str, Any] = {}
        self._started = 0.0
        self.request_id = ""

    def begin(self, request_id: str) -> None:
        self._fields = {}
        self._started = time.perf_counter()
        self.request_id = request_id
        self._logger.append_keys(request_id=request_id)

    def add(self, **fields: Any) -> None:
        self._fields.update(fields)

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
        ms = round((time.perf_counter() - self._started) * 1000, 2)
        self._logger.info("request", status=status, ms=ms, **self._fields)
        self._metrics.add_dimension("route", str(self._fields.get("route", "none")))
        self._metrics.add_metric("Requests", MetricUnit.Count, 1)
        self._metrics.add_metric("Latency", MetricUnit.Milliseconds, ms)
        self._metrics.flush_metrics()
        self._metrics.clear_metrics()  # flushing clears nothing when metrics are disabled


def short_digest(search_id: str) -> str:
    """Identifies a search in the log without the query that its ID contains."""
    return hashlib.sha256(search_id.encode()).hexdigest()[:12]
