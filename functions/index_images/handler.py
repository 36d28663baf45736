"""Handles a batch: every image of every message looked at in one go, and which messages failed."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from aws_lambda_powertools import Logger

from imagesearch.domain.images import ImageRef
from imagesearch.domain.isolation import reason
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import Outcome, OutcomeKind

from .events import Message, read_event
from .reporting import BatchReport

Handler: TypeAlias = Callable[[Any, object], dict[str, Any]]


class LookAgain(Exception):
    """Raised where no queue stands behind the event, so that Lambda itself sends it again."""


def make_handler(indexer: Indexer, bucket: str, logger: Logger, report: BatchReport) -> Handler:
    """The Lambda handler: answers a partial batch response; a direct event that fails raises."""

    def handle(event: Any, context: object) -> dict[str, Any]:
        logger.append_keys(request_id=getattr(context, "aws_request_id", None))
        started = time.perf_counter()
        messages = read_event(event, bucket)
        outcomes = _look_at(indexer, messages, logger)
        failed = [message for message in messages if _failed(message, outcomes)]
        report.of(messages, failed, list(outcomes.values()), time.perf_counter() - started)
        if any(message.id is None for message in failed):
            raise LookAgain("the event could not be settled: the log says why")
        return {"batchItemFailures": [{"itemIdentifier": message.id} for message in failed]}

    return handle


def _look_at(
    indexer: Indexer, messages: Sequence[Message], logger: Logger
) -> dict[ImageRef, Outcome]:
    """What became of each image; none is missing, even where the indexer itself broke down."""
    images = list(dict.fromkeys(image for message in messages for image in message.images))
    try:
        outcomes = indexer.look_at(images) if images else []
    except Exception:
        logger.exception("the batch broke down: each image is looked at alone")
        outcomes = [outcome for image in images for outcome in _look_alone(indexer, image)]
    return {outcome.ref: outcome for outcome in outcomes}


def _look_alone(indexer: Indexer, image: ImageRef) -> Sequence[Outcome]:
    try:
        return indexer.look_at([image])
    except Exception as error:  # nothing is known of this image now, so it goes back to the queue
        return [Outcome(image, OutcomeKind.FAILED, reason(error, image.id))]


def _failed(message: Message, outcomes: Mapping[ImageRef, Outcome]) -> bool:
    return bool(message.trouble) or any(
        outcomes[image].kind is OutcomeKind.FAILED for image in message.images
    )
