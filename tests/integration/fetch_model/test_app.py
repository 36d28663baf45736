"""Claims: the deployed handler runs the self-test; its result is in the response or in the log."""

import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from functions.fetch_model import cloudformation as responses
from imagesearch.downloads.model_store import S3ModelStore
from imagesearch.embedding.calibration_file import CalibrationFile
from imagesearch.embedding.model_catalog import CatalogEntry, catalog_entry
from imagesearch.embedding.self_test import run
from tests.support.aws.cloudformation import CloudFormation
from tests.support.models.model_hub import publish
from tests.support.models.self_tests import write_result
from tests.support.servers.file_server import FileServer
from tests.support.waiting import PATIENCE_SECONDS
from tests.unit.models.conftest import small_clip  # noqa: F401 - a fixture

NAME = "clip-vit-b-32"
FIGURES = {"test": {"photos": 85, "found_first": 71}}
# The time for downloads ends the seconds of the self-test earlier.
SECONDS = 10 * PATIENCE_SECONDS


@pytest.fixture
def app(s3: Any, logs: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The entry point, with this account and this log."""
    from functions.fetch_model import app

    monkeypatch.setattr(app, "s3", s3)
    monkeypatch.setattr(app.logger.registered_handler, "stream", logs)
    monkeypatch.setattr(responses, "READ_SECONDS", PATIENCE_SECONDS)
    return app


@pytest.fixture
def deployed(app: ModuleType) -> Iterator[CloudFormation]:
    with CloudFormation(app.handler).running() as running:
        yield running


def use_catalog(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch, catalog: Callable[[str], CatalogEntry]
) -> None:
    """Small models instead of the catalog that ships; everything else is the app's own."""
    monkeypatch.setattr(app, "S3ModelStore", partial(S3ModelStore, catalog=catalog))


@pytest.mark.slow
def test_an_untrained_model_fails_the_deployment_with_the_reason_of_the_self_test(
    app: ModuleType,
    deployed: CloudFormation,
    hub: FileServer,
    keys: Any,
    small_clip: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalog = tmp_path / "catalog"
    manifest = json.loads((small_clip / "manifest.json").read_text("utf-8")) | {"name": NAME}
    publish(catalog, manifest, small_clip, hub)
    use_catalog(app, monkeypatch, partial(catalog_entry, folder=catalog))
    answer = deployed.ask("model-create", seconds=SECONDS, properties={"Source": hub.url})
    assert answer["Status"] == "FAILED"
    reason = answer["Reason"]
    assert reason.startswith(f"{NAME} finds the right sample photo first for ")
    assert " of 85 captions, fewer than 25%: " in reason
    assert reason.endswith(". Set ModelName to another model.")
    assert keys() == []


def test_the_figures_of_an_accepted_model_are_logged(
    app: ModuleType,
    deployed: CloudFormation,
    models: dict[str, CatalogEntry],
    logs: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def accept(folder: Path, *_: object, **__: object) -> CalibrationFile:
        return write_result(folder, FIGURES)

    monkeypatch.setattr(run, "run_self_test", accept)
    use_catalog(app, monkeypatch, models.__getitem__)
    assert deployed.ask("model-create", seconds=SECONDS)["Status"] == "SUCCESS"
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    (logged,) = [line for line in lines if line["message"] == "self-test"]
    assert logged["figures"] == FIGURES
    assert logged["result"].startswith(
        f"{NAME}: finds the right sample photo first for 71 of 85 captions (starter: "
    )
    assert logged["result"].endswith("; calibrated.")
