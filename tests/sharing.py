"""What is dear is made once for all worker processes of a test run, by whoever needs it first."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

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
    with (folder / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if value.exists():
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield value.read_text()
            return
        with make() as made:
            value.write_text(made)
            fcntl.flock(lock, fcntl.LOCK_SH)
            try:
                yield made
            finally:
                fcntl.flock(lock, fcntl.LOCK_EX)
                value.unlink()
