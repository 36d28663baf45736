"""How long a piece of work may go on: until somebody else says that it is over."""

import threading

from imagesearch.domain.errors import Unavailable


class OutOfTime(Unavailable):
    """The work was not done when its time was over."""

    code = "out_of_time"


class TimeLeft:
    """Who works asks often; who waits for the work ends it."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def end(self) -> None:
        self._over.set()

    def check(self) -> None:
        """Raises OutOfTime."""
        if self._over.is_set():
            raise OutOfTime("the time was over before the work was done", "try again")

    def wait(self, seconds: float) -> None:
        """Raises OutOfTime, as soon as it is."""
        self._over.wait(seconds)
        self.check()
