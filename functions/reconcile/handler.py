"""The Lambda handler of reconciliation: plans ranges of keys, and compares one until time is up."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from aws_lambda_powertools import Logger

from imagesearch.domain.ports import ChangeQueue
from imagesearch.indexing.comparison import KeyRange
from imagesearch.indexing.reconciliation import Reconciler
from imagesearch.indexing.thumbnail_cleanup import ThumbnailCleanup

CURRENT, NEXT = "current", "next"
# The time for the rest of a page, and for retries of its requests.
MARGIN_MILLISECONDS = 60_000
# With more messages, ten keys each, a backfill is in progress: it would be sent a second time.
BUSY_MESSAGES = 1_000
Handler: TypeAlias = Callable[[Any, Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ModelIndex:
    """The reconciliation of one model's index, and the queue of that model's indexing function."""

    reconciler: Reconciler
    queue: ChangeQueue


def make_handler(
    indexes: Mapping[str, ModelIndex], thumbnails: ThumbnailCleanup, logger: Logger
) -> Handler:
    """The handler of three actions, which raises Unavailable for the state machine to retry.

    `plan` returns `parts`. `compare` and `thumbnails` with the fields of a part return that part
    with its counts so far, and with `done` or the key to continue `after`.
    """

    def handle(event: Any, context: Any) -> dict[str, Any]:
        logger.append_keys(request_id=getattr(context, "aws_request_id", None))
        if event["action"] == "plan":
            parts = [part for model in indexes for part in plan(model)]
            return {"parts": [*parts, _part("thumbnails")]}
        return (compare if event["action"] == "compare" else clean_up)(event, context)

    def plan(model: str) -> list[dict[str, Any]]:
        waiting = indexes[model].queue.lag().waiting
        if waiting > BUSY_MESSAGES:
            logger.warning("not reconciled: the queue is not empty", model=model, messages=waiting)
            return []
        ranges = indexes[model].reconciler.ranges()
        return [
            _part("compare", model=model, after=each.after, until=each.until) for each in ranges
        ]

    def compare(part: Mapping[str, Any], context: Any) -> dict[str, Any]:
        keys = KeyRange(part["after"], part["until"])
        result = indexes[part["model"]].reconciler.reconcile(keys, partial(_stopping, context))
        logger.info("reconciled", model=part["model"], counts=dict(result.counts))
        return _continued(part, result.counts, result.rest.after if result.rest else None)

    def clean_up(part: Mapping[str, Any], context: Any) -> dict[str, Any]:
        result = thumbnails.clean_up(part["after"], partial(_stopping, context))
        counts = {"listed": result.listed, "deleted": result.deleted}
        logger.info("thumbnails cleaned up", counts=counts)
        return _continued(part, counts, result.rest)

    return handle


def _part(action: str, **fields: Any) -> dict[str, Any]:
    return {"action": action, "after": "", "counts": {}, "done": False, **fields}


def _continued(
    part: Mapping[str, Any], counts: Mapping[str, int], rest: str | None
) -> dict[str, Any]:
    total = Counter(part["counts"])
    total.update(counts)
    after = part["after"] if rest is None else rest
    return {**part, "counts": dict(total), "after": after, "done": rest is None}


def _stopping(context: Any) -> bool:
    return bool(context.get_remaining_time_in_millis() < MARGIN_MILLISECONDS)
