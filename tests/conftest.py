"""Fixtures of all kinds of tests: a real OpenSearch server, a second model, and waiting."""

import gc
import json
import os
import signal
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import botocore.loaders
import hypothesis
import pytest
import urllib3

from imagesearch.adapters.opensearch import client, index
from imagesearch.embedding.manifest import Manifest
from local.opensearch.install import CannotStart
from local.opensearch.server import SHORT_LIVED, running_server
from tests.support import waiting
from tests.support.forked_commands import ForkedCommands
from tests.support.paths import STARTER_MODEL, TESTS, server_parent
from tests.support.sharing import shared_by_workers

Eventually = Callable[..., None]
# These wait most of the time, or start a server that other tests need.
LONGEST_FILES = ("e2e/test_openapi_fuzz.py", "integration/faults/test_cluster.py")


# Examples have no deadline, because the machine may be slow. `make check` has fewer examples.
QUICK, QUICK_EXAMPLES = "quick", 20
PATIENT = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("patient", PATIENT)
hypothesis.settings.register_profile(QUICK, PATIENT, max_examples=QUICK_EXAMPLES)
hypothesis.settings.load_profile("patient")


# Each mock of AWS starts with a new session, which would parse the descriptions of services again.
botocore.loaders.create_loader = cache(botocore.loaders.create_loader)


def pytest_configure() -> None:
    """Restore SIGINT, which background jobs of a shell ignore and child processes would inherit.

    Collecting creates objects that live as long as the process: a garbage collection finds nothing.
    """
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first: workers share the rest evenly."""
    longest = [TESTS / name for name in LONGEST_FILES]
    items.sort(key=lambda item: item.path not in longest)
    if hypothesis.settings.get_current_profile_name() == QUICK:
        for item in items:
            _limit_examples(item)


def _limit_examples(item: pytest.Item) -> None:
    """Limit the examples of a test whose settings replace those of the profile."""
    test = getattr(item, "obj", None)
    test = getattr(test, "__func__", test)
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if own and own.max_examples > QUICK_EXAMPLES:
        test._hypothesis_internal_use_settings = hypothesis.settings(
            own, max_examples=QUICK_EXAMPLES
        )


def pytest_collection_finish() -> None:
    """Exclude the modules and the collected tests from garbage collections, which visit each."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Isolate tests and their child processes from the developer's models and indexes."""
    os.environ["IMAGESEARCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["IMAGESEARCH_DATA_DIR"] = str(tmp_path_factory.mktemp("indexes"))


@pytest.fixture(scope="module", autouse=True)
def own_environment(empty_cache: None) -> Iterator[None]:
    """Restore the variables that the tests of a module set: commands set some themselves."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def opensearch_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an OpenSearch server: OPENSEARCH_URL, or a new one.

    Without a server, tests are skipped except in CI. All workers share the server, so each test
    uses unique index names.
    """
    _extend_timeouts()
    if given := os.environ.get("OPENSEARCH_URL"):
        yield given
        return
    try:
        make = partial(running_server, java_options=SHORT_LIVED, parent=server_parent())
        with shared_by_workers(tmp_path_factory, "opensearch", make) as url:
            yield url
    except CannotStart as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def _extend_timeouts() -> None:
    """Extend the request timeouts of the product, which a busy machine can exceed."""
    timeout = urllib3.Timeout(waiting.PATIENCE_SECONDS, waiting.PATIENCE_SECONDS)
    client.READ_TIMEOUT = timeout
    index.BULK_TIMEOUT = timeout


@pytest.fixture(scope="session")
def commands() -> Iterator[ForkedCommands]:
    """Runs the command line in processes with preloaded modules."""
    forked = ForkedCommands()
    yield forked
    forked.close()


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Waits until a condition is true: see `waiting.eventually`."""

    return waiting.eventually


@pytest.fixture(scope="session")
def stretched_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter graphs with other preprocessing: a model with its own image space."""
    folder = tmp_path_factory.mktemp("models") / "stretched"
    folder.mkdir()
    described = json.loads((STARTER_MODEL / "manifest.json").read_text()) | {"name": folder.name}
    described["image"]["resize"] = "stretch"
    described["text"]["image_space"] = Manifest.model_validate(described).image_space
    (folder / "manifest.json").write_text(json.dumps(described))
    for name in described["files"]:
        (folder / name).symlink_to(STARTER_MODEL / name)
    return folder
