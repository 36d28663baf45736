"""The Lambda handler of indexing: processes the images of a batch, and reports failed messages."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from imagesearch.domain.deadline import time_limit
from imagesearch.domain.images import ImageRef
from imagesearch.domain.isolation import reason, without_text
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import Outcome, OutcomeKind

from .events import ParsedMessage, read_event

# Seconds before the timeout at which decoding ends: the time to write what is embedded.
WRITE_SECONDS = 5.0
UNSUCCESSFUL = (OutcomeKind.FAILED, OutcomeKind.REJECTED)
Handler: TypeAlias = Callable[[Any, Any], dict[str, Any]]


class RetryEvent(Exception):
    """Raised for an event that came without a queue, so that Lambda retries it."""


class BatchReport:
    """The log lines and metrics of a batch.

    Keys are user content: above level DEBUG, images are logged by ID.
    """

    def __init__(self, logger: Logger, metrics: EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def write(
        self,
        messages: Sequence[ParsedMessage],
        failed: Sequence[ParsedMessage],
        outcomes: Sequence[Outcome],
        seconds: float,
    ) -> None:
        for message in messages:
            if message.error:
                self._logger.error(
                    "message not understood", message_id=message.id, reason=message.error
                )
        for outcome in outcomes:
            self._log(outcome)
        counts = dict(Counter(outcome.kind.value for outcome in outcomes))
        self._logger.info(
            "batch",
            messages=len(messages),
            failed_messages=len(failed),
            images=counts,
            ms=round(seconds * 1000, 1),
        )
        self._count(counts, len(failed), seconds)

    def _log(self, outcome: Outcome) -> None:
        ref = outcome.ref
        self._logger.debug("image", id=ref.id, key=ref.key, outcome=outcome.kind.value)
        if outcome.kind in UNSUCCESSFUL:
            reason = without_text(outcome.reason).replace(ref.key, ref.id)
            self._logger.warning("image %s", outcome.kind.value, id=ref.id, reason=reason)

    def _count(self, counts: dict[str, int], failed: int, seconds: float) -> None:
        for kind in OutcomeKind:
            amount = counts.get(kind.value, 0)
            self._metrics.add_metric(kind.value.capitalize(), MetricUnit.Count, amount)
        self._metrics.add_metric("FailedMessages", MetricUnit.Count, failed)
        self._metrics.add_metric("BatchDuration", MetricUnit.Milliseconds, seconds * 1000)
        self._metrics.flush_metrics()
        self._metrics.clear_metrics()  # flushing clears nothing when metrics are disabled


def make_handler(indexer: Indexer, bucket: str, logger: Logger, report: BatchReport) -> Handler:
    """The handler: returns a partial batch response of SQS.

    Raises RetryEvent for a direct event of which an image failed.
    """

    def handle(event: Any, context: Any) -> dict[str, Any]:
        logger.append_keys(request_id=getattr(context, "aws_request_id", None))
        started = time.perf_counter()
        messages = read_event(event, bucket)
        with time_limit(lambda: context.get_remaining_time_in_millis() / 1000 - WRITE_SECONDS):
            outcomes = _process(indexer, messages, logger)
        failed = [message for message in messages if _failed(message, outcomes)]
        report.write(messages, failed, list(outcomes.values()), time.perf_counter() - started)
        if any(message.id is None for message in failed):
            raise RetryEvent("the event was not processed: see the log for the reason")
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in failed]}

    return handle


def _process(
    indexer: Indexer, messages: Sequence[ParsedMessage], logger: Logger
) -> dict[ImageRef, Outcome]:
    """The outcome of every image, even if the indexer raises."""
    images = list(dict.fromkeys(image for message in messages for image in message.images))
    try:
        outcomes = indexer.process(images) if images else []
    except Exception:
        logger.exception("batch failed: processing its images one by one")
        outcomes = [outcome for image in images for outcome in _process_one(indexer, image)]
    return {outcome.ref: outcome for outcome in outcomes}


def _process_one(indexer: Indexer, image: ImageRef) -> Sequence[Outcome]:
    try:
        return indexer.process([image])
    except Exception as error:  # its state is unknown: back to the queue
        return [Outcome(image, OutcomeKind.FAILED, reason(error, image.id))]


def _failed(message: ParsedMessage, outcomes: Mapping[ImageRef, Outcome]) -> bool:
    return bool(message.error) or any(
        outcomes[image].kind is OutcomeKind.FAILED for image in message.images
    )
