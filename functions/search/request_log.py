"""One line and the metrics of each request."""

import hashlib
import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


class RequestLog:
    """Collects facts of the request under way; nothing that a user wrote is among them."""

    def __init__(self, logger: Logger, metrics: EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics
        self._facts: dict[str, Any] = {}
        self._started = 0.0
        self.request_id = ""

    def begin(self, request_id: str) -> None:
        self._facts = {}
        self._started = time.perf_counter()
        self.request_id = request_id
        self._logger.append_keys(request_id=request_id)

    def note(self, **facts: Any) -> None:
        self._facts.update(facts)

    def unexpected(self, error: Exception) -> None:
        """Something is broken here: the stack goes into the log, never into the answer."""
        self._logger.error("unexpected error", exc_info=error)

    def end(self, status: int) -> None:
        ms = round((time.perf_counter() - self._started) * 1000, 2)
        self._logger.info("request", status=status, ms=ms, **self._facts)
        self._metrics.add_dimension("route", str(self._facts.get("route", "none")))
        self._metrics.add_dimension("code", str(self._facts.get("code", "ok")))
        self._metrics.add_metric("Requests", MetricUnit.Count, 1)
        self._metrics.add_metric("Latency", MetricUnit.Milliseconds, ms)
        self._metrics.flush_metrics()
        self._metrics.clear_metrics()  # where metrics are switched off, flushing keeps them all


def short_digest(search_id: str) -> str:
    """Tells one search from another; what its id holds of the query is in no log."""
    return hashlib.sha256(search_id.encode()).hexdigest()[:12]
