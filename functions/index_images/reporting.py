"""Says what became of a batch: one line, one more for each image in trouble, and the metrics."""

from collections import Counter
from collections.abc import Sequence

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from imagesearch.domain.isolation import without_text
from imagesearch.indexing.planner import Outcome, OutcomeKind

from .events import Message

TROUBLE = (OutcomeKind.FAILED, OutcomeKind.REJECTED)


class BatchReport:
    """Logs and counts. A key is a user's text: above DEBUG an image goes by its id."""

    def __init__(self, logger: Logger, metrics: EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def of(
        self,
        messages: Sequence[Message],
        failed: Sequence[Message],
        outcomes: Sequence[Outcome],
        seconds: float,
    ) -> None:
        for message in messages:
            if message.trouble:
                self._logger.error(
                    "message not understood", message_id=message.id, reason=message.trouble
                )
        for outcome in outcomes:
            self._tell(outcome)
        counts = dict(Counter(outcome.kind.value for outcome in outcomes))
        self._logger.info(
            "batch",
            messages=len(messages),
            failed_messages=len(failed),
            images=counts,
            ms=round(seconds * 1000, 1),
        )
        self._count(counts, len(failed), seconds)

    def _tell(self, outcome: Outcome) -> None:
        ref = outcome.ref
        self._logger.debug("image", id=ref.id, key=ref.key, outcome=outcome.kind.value)
        if outcome.kind in TROUBLE:
            reason = without_text(outcome.reason).replace(ref.key, ref.id)
            self._logger.warning("image %s", outcome.kind.value, id=ref.id, reason=reason)

    def _count(self, counts: dict[str, int], failed: int, seconds: float) -> None:
        for kind in OutcomeKind:
            amount = counts.get(kind.value, 0)
            self._metrics.add_metric(kind.value.capitalize(), MetricUnit.Count, amount)
        self._metrics.add_metric("FailedMessages", MetricUnit.Count, failed)
        self._metrics.add_metric("BatchDuration", MetricUnit.Milliseconds, seconds * 1000)
        self._metrics.flush_metrics()
        self._metrics.clear_metrics()  # where metrics are switched off, flushing keeps them all
