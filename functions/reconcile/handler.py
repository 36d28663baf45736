"""The Lambda handler of reconciliation: plans ranges of keys, and compares one until time is up."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from aws_lambda_powertools import Logger

from imagesearch.domain.errors import UnusableReport
from imagesearch.domain.ports import ChangeQueue
from imagesearch.indexing.comparison import KeyRange
from imagesearch.indexing.inventory import Inventory
from imagesearch.indexing.reconciliation import Reconciler
from imagesearch.indexing.thumbnail_cleanup import ThumbnailCleanup

CURRENT, NEXT = "current", "next"
# The time for the rest of a page, and for retries of its requests.
MARGIN_MILLISECONDS = 60_000
# Half of the invocation, for another file of an inventory's report, whose size S3 decides.
DIVISION_MARGIN_MILLISECONDS = 450_000
# With more messages, ten keys each, a backfill is in progress: it would be sent a second time.
BUSY_MESSAGES = 1_000
PartFields: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Any, Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ModelIndex:
    """The reconciliation of one model's index, and the queue of that model's indexing function."""

    reconciler: Reconciler
    queue: ChangeQueue


def make_handler(
    indexes: Mapping[str, ModelIndex],
    thumbnails: ThumbnailCleanup,
    logger: Logger,
    inventory: Inventory | None = None,
) -> Handler:
    """The handler of four actions, which raises Unavailable for the state machine to retry.

    `plan` returns `parts`, in the order in which they are run. `divide`, `compare` and `thumbnails`
    with the fields of a part return that part with its counts so far and the key or file to
    continue `after`, or, when it is `done`, its counts alone: the results of all parts are one
    payload. Without a usable report of `inventory`, the bucket is listed.
    """
    actions = _Actions(indexes, thumbnails, logger, inventory)

    def handle(event: Any, context: Any) -> dict[str, Any]:
        logger.append_keys(request_id=getattr(context, "aws_request_id", None))
        if event["action"] == "plan":
            return {"parts": actions.plan()}
        run = {
            "divide": actions.divide,
            "compare": actions.compare,
            "thumbnails": actions.clean_up,
        }
        return run[event["action"]](event, context)

    return handle


@dataclass(frozen=True, slots=True)
class _Actions:
    indexes: Mapping[str, ModelIndex]
    thumbnails: ThumbnailCleanup
    logger: Logger
    inventory: Inventory | None

    def plan(self) -> list[PartFields]:
        models = [model for model in self.indexes if self._is_idle(model)]
        ranges = {model: self.indexes[model].reconciler.ranges() for model in models}
        folder = self._begin(models[0], ranges[models[0]]) if models else None
        if folder:
            # The keys of each model are those of the bucket: a report is divided once.
            ranges = dict.fromkeys(models, ranges[models[0]])
        parts = [_part("divide", folder=folder)] if folder else []
        for model in models:
            parts += _parts_of(model, ranges[model], folder)
        return [*parts, _part("thumbnails")]

    def divide(self, part: PartFields, context: Any) -> PartFields:
        assert self.inventory  # noqa: S101 - without one, there is no such part
        first, before = int(part["after"] or 0), part["counts"].get("reported", 0)
        stopping = partial(_stopping, context, DIVISION_MARGIN_MILLISECONDS)
        try:
            result = self.inventory.divide(part["folder"], first, before, stopping)
        except UnusableReport as error:
            self._warn_of_listing(error.message)
            return _continued(part, {}, None) | {"unusable": error.message}
        counts = {"reported": result.objects}
        self.logger.info("inventory divided", counts=counts)
        return _continued(part, counts, None if result.rest is None else str(result.rest))

    def compare(self, part: PartFields, context: Any) -> PartFields:
        reported = None
        if self.inventory and "folder" in part:
            reported = self.inventory.listing(part["folder"], part["number"])
            if reported is None:
                self._warn_of_listing("the report was not divided, or this range is too large")
        keys = KeyRange(part["after"], part["until"])
        reconciler = self.indexes[part["model"]].reconciler
        result = reconciler.reconcile(keys, partial(_stopping, context), reported)
        listing = "inventory" if reported else "bucket"
        counts = dict(result.counts)
        self.logger.info("reconciled", model=part["model"], listing=listing, counts=counts)
        rest = result.rest.after if result.rest else None
        return _continued(part, counts, rest) | {"listing": listing}

    def clean_up(self, part: PartFields, context: Any) -> PartFields:
        result = self.thumbnails.clean_up(part["after"], partial(_stopping, context))
        counts = {"listed": result.listed, "deleted": result.deleted}
        self.logger.info("thumbnails cleaned up", counts=counts)
        return _continued(part, counts, result.rest)

    def _is_idle(self, model: str) -> bool:
        waiting = self.indexes[model].queue.lag().waiting
        is_idle = waiting <= BUSY_MESSAGES
        if not is_idle:
            reason = "not reconciled: the queue is not empty"
            self.logger.warning(reason, model=model, messages=waiting)
        return is_idle

    def _begin(self, model: str, ranges: Sequence[KeyRange]) -> str | None:
        """The folder for the newest report; None without a usable one."""
        if self.inventory is None:
            return None
        try:
            return self.inventory.begin(ranges, self.indexes[model].reconciler.images())
        except UnusableReport as error:
            self._warn_of_listing(error.message)
            return None

    def _warn_of_listing(self, reason: str) -> None:
        self.logger.warning("the bucket is listed instead of its inventory", reason=reason)


def _parts_of(model: str, ranges: Sequence[KeyRange], folder: str | None) -> list[PartFields]:
    return [
        _part("compare", model=model, after=each.after, until=each.until)
        | ({"folder": folder, "number": number} if folder else {})
        for number, each in enumerate(ranges)
    ]


def _part(action: str, **fields: Any) -> PartFields:
    return {"action": action, "after": "", "counts": {}, "done": False, **fields}


def _continued(part: PartFields, counts: Mapping[str, int], rest: str | None) -> PartFields:
    total: Counter[str] = Counter(part["counts"])
    total.update(counts)
    if rest is not None:
        return {**part, "counts": dict(total), "after": rest}
    kept: PartFields = {name: part[name] for name in ("action", "model") if name in part}
    return {**kept, "counts": dict(total), "done": True}


def _stopping(context: Any, margin: int = MARGIN_MILLISECONDS) -> bool:
    return bool(context.get_remaining_time_in_millis() < margin)
