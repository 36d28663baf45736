"""Fault isolation: an unexpected exception affects only the image that causes it.

The cause is a defect of this program or a condition of the machine, and the exception's type does
not distinguish them. The image therefore fails instead of being rejected: a rejection is final and
removes an older valid version from searches. A failed image is retried; after the last attempt its
event is in the dead-letter queue, raises an alarm and can be redriven after an update.

MemoryError is handled in the same way: a single image may fit into memory when a batch does not.
KeyboardInterrupt, SystemExit and ConfigurationError concern the whole process and propagate.
"""

import logging
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

from imagesearch.domain.errors import ConfigurationError, ImageSearchError, Unavailable

INTERNAL_ERROR = "internal error: "
_log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_alone(
    work: Callable[[Sequence[Item]], Sequence[Result]],
    items: Sequence[Item],
    failed: Callable[[Item, Exception], Result],
) -> list[Result]:
    """The results of `work` on all items in one call, in the order of the items.

    If the call raises an unexpected exception, `work` is called with each item alone; the result
    for an item that raises again is that of `failed`. Unavailable fails all items without a call
    for each. Raises ConfigurationError.
    """
    try:
        return list(work(items))
    except ConfigurationError:
        raise
    except Unavailable as error:
        return [failed(item, error) for item in items]
    except Exception as error:
        if len(items) == 1:
            return [failed(items[0], error)]
    return [result for item in items for result in each_alone(work, [item], failed)]


def reason(error: Exception, id: str) -> str:
    """The reason for the failure of an image; logs the traceback of an unexpected exception.

    The text of an exception may contain user data and is logged at DEBUG level only.
    """
    if isinstance(error, ImageSearchError):
        return error.message
    kind = type(error).__name__
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("internal error at image %s: %s\n%s", id, kind, frames)
    _log.debug("internal error at image %s: %s", id, error)
    text = f": {error}" if str(error) else ""
    return f"{INTERNAL_ERROR}{kind}{text}; please report it"


def without_text(reason: str) -> str:
    """A reason without user data, for logs: of an internal error, only the exception's type."""
    if not reason.startswith(INTERNAL_ERROR):
        return reason
    kind, _, _ = reason.removeprefix(INTERNAL_ERROR).partition(":")
    return INTERNAL_ERROR + kind.removesuffix("; please report it")
