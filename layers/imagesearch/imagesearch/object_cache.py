"""A cache of objects that are created once per process, from which single entries can be removed.

Unlike `functools.cache`, which can only be cleared as a whole.
"""

import threading
from collections.abc import Callable, Hashable
from functools import update_wrapper
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Cached(Generic[P, T]):
    """A function of hashable positional arguments whose result is computed once; thread-safe."""

    def __init__(self, function: Callable[P, T]) -> None:
        update_wrapper(self, function)
        self._function = function
        self._created: dict[Hashable, T] = {}
        self._lock = threading.RLock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (args, *sorted(kwargs.items()))
        try:
            return self._created[key]
        except KeyError:
            with self._lock:
                if key not in self._created:
                    self._created[key] = self._function(*args, **kwargs)
                return self._created[key]

    def remove(self, *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Remove the result for these arguments and return it; None if there is none."""
        with self._lock:
            return self._created.pop((args, *sorted(kwargs.items())), None)

    def clear(self) -> None:
        """Remove all results."""
        with self._lock:
            self._created.clear()
