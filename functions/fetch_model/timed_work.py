"""Work that is waited for no longer than there is time."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from imagesearch.fetching.time_left import OutOfTime, TimeLeft

Result = TypeVar("Result")


class TimedWork(Generic[Result]):
    """In a thread of its own, because a socket that is silent cannot be asked to stop."""

    def __init__(self, work: Callable[[TimeLeft], Result]) -> None:
        self._work = work
        self._time_left = TimeLeft()
        self._result: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self, seconds: float) -> Result:
        """What the work gave, or raises what it raised; OutOfTime when it takes longer."""
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self._time_left.end()
            raise OutOfTime(f"the model was not in place after {seconds:.0f} seconds", "try again")
        if self._error:
            raise self._error
        return self._result[0]

    def end(self, seconds: float) -> None:
        """Let work that was stopped put away what it holds: Lambda freezes it, and thaws it in the
        midst of another request."""
        self._time_left.end()
        self._thread.join(max(0.0, seconds))

    def _run(self) -> None:
        try:
            self._result.append(self._work(self._time_left))
        except BaseException as error:
            self._error = error
