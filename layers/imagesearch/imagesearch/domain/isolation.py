"""Isolation: an unexpected exception in the work on one image costs that image alone.

Such an exception is a fault of this program, or of the machine that it runs on; which of them, its
type does not tell. The image is therefore `failed` and not rejected: a rejection is final, and
takes an older good version out of searches. A failed image is looked at again, and where nothing
else helps it ends in the dead-letter queue, with an alarm, and can be sent again after an update.

MemoryError is treated the same: alone, or later, an image may have the memory that it lacked in a
batch. KeyboardInterrupt and SystemExit are meant for the whole process and pass. ConfigurationError
concerns every image, and passes for that reason.
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
    """The results of `work` on all items at once, in their order.

    Where that raises an unexpected exception, `work` is done on each item alone; an item that
    raises again gets what `failed` makes of its exception. Unavailable fails all items at once: a
    service that is away is not asked for each of them.
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
    """Why the image of this id failed; what is unexpected is logged, with its traceback.

    Texts of exceptions may hold what a user wrote, so they are logged at DEBUG alone.
    """
    if isinstance(error, ImageSearchError):
        return error.message
    kind = type(error).__name__
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("internal error at image %s: %s\n%s", id, kind, frames)
    _log.debug("internal error at image %s: %s", id, error)
    said = f": {error}" if str(error) else ""
    return f"{INTERNAL_ERROR}{kind}{said}; please report it"


def without_text(reason: str) -> str:
    """A reason as it may be logged: of an internal error, the type of the exception alone."""
    if not reason.startswith(INTERNAL_ERROR):
        return reason
    kind, _, _ = reason.removeprefix(INTERNAL_ERROR).partition(":")
    return INTERNAL_ERROR + kind.removesuffix("; please report it")
