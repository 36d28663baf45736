"""Handles a batch: every image of every message looked at in one go, and which messages failed.

Says what became of a batch: one line, one more for each image in trouble, and the metrics.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from imagesearch.domain.images import ImageRef
from imagesearch.domain.isolation import reason, without_text
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import Outcome, OutcomeKind

from .events import Message, read_event

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


Handler: TypeAlias = Callable[[Any, object], dict[str, Any]]


class RetryEvent(Exception):
    """Raised where no queue stands behind the event, so that Lambda itself sends it again."""


def make_handler(indexer: Indexer, bucket: str, logger: Logger, report: BatchReport) -> Handler:
    """The Lambda handler: answers a partial batch response; a direct event that fails raises."""

    def handle(event: Any, context: object) -> dict[str, Any]:
        logger.append_keys(request_id=getattr(context, "aws_request_id", None))
        started = time.perf_counter()
        messages = read_event(event, bucket)
        outcomes = _process(indexer, messages, logger)
        failed = [message for message in messages if _failed(message, outcomes)]
        report.of(messages, failed, list(outcomes.values()), time.perf_counter() - started)
        if any(message.id is None for message in failed):
            raise RetryEvent("the event could not be settled: the log says why")
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in failed]}

    return handle


def _process(
    indexer: Indexer, messages: Sequence[Message], logger: Logger
) -> dict[ImageRef, Outcome]:
    """What became of each image; none is missing, even where the indexer itself broke down."""
    images = list(dict.fromkeys(image for message in messages for image in message.images))
    try:
        outcomes = indexer.process(images) if images else []
    except Exception:
        logger.exception("the batch broke down: each image is looked at alone")
        outcomes = [outcome for image in images for outcome in _look_alone(indexer, image)]
    return {outcome.ref: outcome for outcome in outcomes}


def _look_alone(indexer: Indexer, image: ImageRef) -> Sequence[Outcome]:
    try:
        return indexer.process([image])
    except Exception as error:  # nothing is known of this image now, so it goes back to the queue
        return [Outcome(image, OutcomeKind.FAILED, reason(error, image.id))]


def _failed(message: Message, outcomes: Mapping[ImageRef, Outcome]) -> bool:
    return bool(message.trouble) or any(
        outcomes[image].kind is OutcomeKind.FAILED for image in message.images
    )
