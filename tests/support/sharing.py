"""What is dear is made once for all worker processes of a test run, by whoever needs it first."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

Make = Callable[[], AbstractContextManager[str]]


@contextmanager
def shared_by_workers(factory: pytest.TempPathFactory, name: str, make: Make) -> Iterator[str]:
    """The value that `make` yields in one of the workers; it stays valid in all of them.

    The worker that made it keeps it until no other worker is within this context.
    """
    folder = factory.getbasetemp()
    if folder.name.startswith("popen-"):  # of one of several workers
        folder = folder.parent
    value = folder / f"{name}.shared"
    with (
        (folder / f"{name}.making").open("a") as making,
        (folder / f"{name}.using").open("a") as using,
        ExitStack() as made,
    ):
        fcntl.flock(making, fcntl.LOCK_EX)
        if mine := not value.exists():
            value.write_text(made.enter_context(make()))
        fcntl.flock(using, fcntl.LOCK_SH)
        fcntl.flock(making, fcntl.LOCK_UN)
        try:
            yield value.read_text()
        finally:
            if mine:
                fcntl.flock(making, fcntl.LOCK_EX)  # nobody begins to use it
                fcntl.flock(using, fcntl.LOCK_EX)  # and nobody uses it any more
                value.unlink()
