"""Expensive values are created once per test run and shared by all worker processes."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

Make = Callable[[], AbstractContextManager[str]]


@contextmanager
def shared_by_workers(factory: pytest.TempPathFactory, name: str, make: Make) -> Iterator[str]:
    """The value that `make` yields in one of the workers, valid in all of them.

    The worker that created it keeps it until no other worker is within this context.
    """
    folder = factory.getbasetemp()
    if folder.name.startswith("popen-"):  # one of several workers
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
                fcntl.flock(making, fcntl.LOCK_EX)  # no worker starts to use it
                fcntl.flock(using, fcntl.LOCK_EX)  # and no worker uses it any longer
                value.unlink()
