"""The Lambda handler of tuning: one run over all stored feedback, with a log line and metrics."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeAlias

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from imagesearch.learning.history import Run, runs_of
from imagesearch.learning.tuner import Tuner

Handler: TypeAlias = Callable[[Any, Any], dict[str, Any]]


def make_handler(tuner: Tuner, logger: Logger, metrics: EphemeralMetrics) -> Handler:
    """The handler of any event; raises Unavailable, so that Lambda retries the invocation.

    Returns the results as sentences, as `imagesearch tune` prints them.
    """

    def handle(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001
        logger.append_keys(request_id=getattr(context, "aws_request_id", None))
        now = datetime.now(UTC)
        tuned = tuner.run(tuner.opinions, now)
        for run in runs_of(tuned, now):
            logger.info("tuned", **asdict(run))
            emit(run)
        if not tuned.findings:
            logger.info("no opinions on queries of this model")
        return {
            "adapter": tuned.adapter.number if tuned.adapter else None,
            "results": tuned.sentences(),
        }

    def emit(run: Run) -> None:
        """In CloudWatch's embedded metric format."""
        metrics.add_dimension("queries", run.modality)
        metrics.add_metric("Opinions", MetricUnit.Count, run.opinions)
        metrics.add_metric("MrrBefore", MetricUnit.NoUnit, run.mrr_before)
        metrics.add_metric("MrrAfter", MetricUnit.NoUnit, run.mrr_after)
        metrics.add_metric("Adopted", MetricUnit.Count, int(run.adapter is not None))
        metrics.flush_metrics()
        metrics.clear_metrics()  # flushing clears nothing when metrics are disabled

    return handle
