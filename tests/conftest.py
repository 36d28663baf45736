"""What tests of several kinds share: a real OpenSearch server, a second model, a way to wait."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import hypothesis
import pytest
import urllib3

from imagesearch.adapters.opensearch import client, index
from imagesearch.embedding.manifest import Manifest
from local.opensearch_install import CannotStart
from local.opensearch_server import SHORT_LIVED, running_server
from tests.support import waiting
from tests.support.forked_commands import ForkedCommands
from tests.support.paths import STARTER_MODEL
from tests.support.sharing import shared_by_workers

Eventually = Callable[..., None]


# An example may take as long as the machine needs.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


def pytest_configure() -> None:
    """A shell's background job ignores SIGINT, and so would the processes that tests interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a developer has pulled is no test's model, in this process or in those it starts."""
    os.environ["IMAGESEARCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def opensearch_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server of OPENSEARCH_URL, or a fresh one; without one, tests are skipped except in CI.

    All workers share it: a test names its indexes so that no other test meets them.
    """
    _be_patient()
    if given := os.environ.get("OPENSEARCH_URL"):
        yield given
        return
    try:
        make = partial(running_server, java_options=SHORT_LIVED)
        with shared_by_workers(tmp_path_factory, "opensearch", make) as url:
            yield url
    except CannotStart as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def _be_patient() -> None:
    """The product gives up a request in seconds; on a busy machine a server may take longer."""
    patient = urllib3.Timeout(waiting.PATIENCE_SECONDS, waiting.PATIENCE_SECONDS)
    client.READ_TIMEOUT = patient
    index.BULK_TIMEOUT = patient


@pytest.fixture(scope="session")
def commands() -> Iterator[ForkedCommands]:
    """Runs the command line in processes that need not load its modules first."""
    forked = ForkedCommands()
    yield forked
    forked.close()


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Waits until a condition holds: see `waiting.eventually`."""

    return waiting.eventually


@pytest.fixture(scope="session")
def stretched_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter model's graphs with another preprocessing: a model with a space of its own."""
    folder = tmp_path_factory.mktemp("models") / "stretched"
    folder.mkdir()
    described = json.loads((STARTER_MODEL / "manifest.json").read_text()) | {"name": folder.name}
    described["image"]["resize"] = "stretch"
    described["text"]["image_space"] = Manifest.model_validate(described).image_space
    (folder / "manifest.json").write_text(json.dumps(described))
    for name in described["files"]:
        (folder / name).symlink_to(STARTER_MODEL / name)
    return folder
