"""Makes a request to terminate what Ctrl-C is: work under way is ended in order."""

from typing import Any


def interrupt(*_: Any) -> None:
    """A handler for signal.SIGTERM."""
    raise KeyboardInterrupt
