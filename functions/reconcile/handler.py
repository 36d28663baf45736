"""The Lambda handler of reconciliation: plans ranges of keys, and compares one until time is up."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aws_lambda_powertools import Logger

from imagesearch.domain.ports import ChangeQueue
from imagesearch.indexing.comparison import KeyRange
from imagesearch.indexing.reconciliation import Reconciler

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


def make_handler(indexes: Mapping[str, ModelIndex], logger: Logger) -> Handler:
    """The handler of two actions, which raises Unavailable for the state machine to retry.

    `{"action": "plan"}` returns `parts`. `{"action": "compare", …}` with the fields of a part
    returns that part with its counts so far, and with `done` or the key to continue `after`.
    """

    def handle(event: Any, context: Any) -> dict[str, Any]:
        logger.append_keys(request_id=getattr(context, "aws_request_id", None))
        if event["action"] == "plan":
            return {"parts": [part for model in indexes for part in plan(model)]}
        return compare(event, context)

    def plan(model: str) -> list[dict[str, Any]]:
        waiting = indexes[model].queue.lag().waiting
        if waiting > BUSY_MESSAGES:
            logger.warning("not reconciled: the queue is not empty", model=model, messages=waiting)
            return []
        ranges = indexes[model].reconciler.ranges()
        return [
            {
                "action": "compare",
                "model": model,
                "after": each.after,
                "until": each.until,
                "counts": {},
                "done": False,
            }
            for each in ranges
        ]

    def compare(part: Mapping[str, Any], context: Any) -> dict[str, Any]:
        def stopping() -> bool:
            return bool(context.get_remaining_time_in_millis() < MARGIN_MILLISECONDS)

        keys = KeyRange(part["after"], part["until"])
        result = indexes[part["model"]].reconciler.reconcile(keys, stopping)
        logger.info("reconciled", model=part["model"], counts=dict(result.counts))
        counts = Counter(part["counts"])
        counts.update(result.counts)
        rest = result.rest
        return {
            **part,
            "counts": dict(counts),
            "after": rest.after if rest else keys.after,
            "done": rest is None,
        }

    return handle
