"""Claims: each model is listed with its facts, and nothing is stated that was not measured."""

from pathlib import Path

import pytest

from imagesearch.domain.errors import ConfigurationError
from local.evaluation.latency import Latency
from local.evaluation.listing import (
    UNKNOWN,
    cells,
    listed_models,
    table_cells,
    table_headings,
    with_latencies,
)
from local.models.installed import CACHE
from tests.support.paths import STARTER_MODEL


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with a damaged model, and an empty cache."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    damaged = tmp_path / "models" / "siglip2-b-16"
    damaged.mkdir(parents=True)
    (damaged / "manifest.json").write_text("{")
    return tmp_path


def test_only_installed_models_are_measured(data_dir: Path) -> None:
    measured: list[Path] = []

    def measure(folder: Path) -> Latency:
        measured.append(folder)
        return Latency(12.34, 5)

    rows = {row.name: row for row in with_latencies(listed_models(data_dir), measure)}
    assert measured == [STARTER_MODEL]
    assert cells(rows["starter"], measured=True)[1:6] == ["installed", "39 MB", "en", "12.3", "5.0"]
    clip = cells(rows["clip-vit-b-32"], measured=True)
    assert clip[1:6] == ["available", "156 MB", "en", UNKNOWN, UNKNOWN]
    assert clip[7].startswith("ImageNet 63.3")


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("no decoder process can be started"),
        RuntimeError("no decoder process\ncan be started"),
    ],
)
def test_a_damaged_model_is_a_row_with_the_reason(data_dir: Path, error: Exception) -> None:
    def fail(folder: Path) -> Latency:
        raise error

    rows = {row.name: row for row in with_latencies(listed_models(data_dir), fail)}
    assert cells(rows["siglip2-b-16"], measured=True)[:3] == ["siglip2-b-16", "damaged", UNKNOWN]
    assert "manifest.json" in cells(rows["siglip2-b-16"], measured=True)[-1]
    assert cells(rows["starter"], measured=True)[-1] == "no decoder process can be started"


@pytest.mark.parametrize("measured", [False, True])
def test_a_terminal_gets_the_same_facts_in_fewer_columns(measured: bool, data_dir: Path) -> None:
    for row in listed_models(data_dir):
        short = table_cells(row, measured=measured)
        assert len(short) == len(table_headings(measured=measured))
        assert short[0] == f"{row.name}\n{row.state}"
    shown = {row.name: table_cells(row, measured=False) for row in listed_models(data_dir)}
    assert shown["multilingual-clip-vit-b-32"][2:4] == ["many", "MIT; Apache-2.0"]
