"""Unit tests are fast: one that starts a process, listens or loads a model is marked as slow.

`make check` runs the others, so the rule is held here: they cannot do any of these.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

# Of what Python reports of itself: https://docs.python.org/3/library/audit_events.html
SLOW_EVENTS = frozenset(
    ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "socket.bind")
)
HERE = Path(__file__).parent
_running: list[str] = []


def pytest_configure() -> None:
    sys.addaudithook(_refuse)
    _watch_sessions()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    # This hook hears of every test of the run.
    if item.get_closest_marker("slow") or HERE not in item.path.parents:
        return (yield)
    _running.append(item.nodeid)
    try:
        return (yield)
    finally:
        _running.clear()


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if _running and event in SLOW_EVENTS:
        raise_slow(event)


def raise_slow(what: str) -> None:
    raise RuntimeError(
        f"{what}: a fast test starts no process, listens to no socket and loads no model;"
        " mark it with @pytest.mark.slow, or its file with pytestmark = pytest.mark.slow"
    )


def _watch_sessions() -> None:
    """Onnxruntime reports no event, so its sessions do."""
    create = onnxruntime.InferenceSession.__init__

    def reported(session: Any, *arguments: Any, **more: Any) -> None:
        if _running:
            raise_slow("onnxruntime session")
        create(session, *arguments, **more)

    onnxruntime.InferenceSession.__init__ = reported
