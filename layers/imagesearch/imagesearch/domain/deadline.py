"""Deadline: the time that is left for the current request or batch, in a context variable.

Decoders read it, so that the limit of an invocation needs no parameter of every port in between. A
new thread has no deadline: the limit is read in the thread of the request and passed on. The same
holds for the limit of the cost of a query.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

# Returns the seconds that are left; zero or less after the deadline, infinite without one.
TimeLeft: TypeAlias = Callable[[], float]

_time_left: ContextVar[TimeLeft | None] = ContextVar("time_left", default=None)
_of_query: ContextVar[bool] = ContextVar("of_query", default=False)


def is_query() -> bool:
    """True if the images of the current block are those of a query."""
    return _of_query.get()


@contextmanager
def query() -> Iterator[None]:
    """Limit decoding in a block to CPU time and memory in proportion to the size of the files."""
    token = _of_query.set(True)
    try:
        yield
    finally:
        _of_query.reset(token)


def current_time_left() -> TimeLeft:
    """The time left of the current block, to be called from any thread."""
    return _time_left.get() or (lambda: math.inf)


@contextmanager
def time_limit(time_left: TimeLeft) -> Iterator[None]:
    """Set the deadline of a block."""
    token = _time_left.set(time_left)
    try:
        yield
    finally:
        _time_left.reset(token)


@contextmanager
def share_of_time(share: float) -> Iterator[None]:
    """Limit a block to a share (0 to 1) of the time that is left; without a deadline, to none."""
    outer = current_time_left()
    rest = outer() * (1 - share)
    with time_limit(outer if math.isinf(rest) else lambda: outer() - rest):
        yield
