"""In-memory fixtures, and a guard that keeps unit tests fast.

A test that starts a process, listens or loads a model is marked as slow. `make check` runs the
others, for which these operations raise an error here.
"""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from imagesearch.indexing.indexer import Indexer
from imagesearch.search.searcher import Searcher
from tests.support.fake_index import FakeIndex
from tests.support.fakes import START, FakeImages, FakeStore, FakeTexts, picture, ref

# Audit events of Python: https://docs.python.org/3/library/audit_events.html
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
    # This hook is called for every test of the run.
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
    """Raise an audit event for each session, because onnxruntime raises none."""
    create = onnxruntime.InferenceSession.__init__

    def reported(session: Any, *arguments: Any, **more: Any) -> None:
        if _running:
            raise_slow("onnxruntime session")
        create(session, *arguments, **more)

    onnxruntime.InferenceSession.__init__ = reported


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def index() -> FakeIndex:
    return FakeIndex()


@pytest.fixture
def images() -> FakeImages:
    return FakeImages()


@pytest.fixture
def indexer(store, index, images) -> Indexer:
    return Indexer(store, index, images, clock=lambda: START + timedelta(days=1))


@pytest.fixture
def texts() -> FakeTexts:
    return FakeTexts()


@pytest.fixture
def searcher(index, texts, images) -> Searcher:
    return Searcher(index, texts, images)


@pytest.fixture
def fill(store, indexer):
    """Stores pictures of words under keys and indexes them."""

    def fill(**words: str) -> None:
        keyed = {name.replace("__", "/") + ".png": text for name, text in words.items()}
        for key, text in keyed.items():
            store.put(key, picture(text))
        indexer.process([ref(key) for key in keyed])

    return fill
