"""`serve --model NAME` installs what is missing with consent, and else keeps the present model."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.errors import ModelRefused, Unavailable
from imagesearch.domain.images import Document, ImageRef, Status
from imagesearch.domain.ports import Put
from imagesearch.embedding.calibration_file import CALIBRATION
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.model_catalog import CatalogEntry
from local.errors import UsageError
from local.model_switch.selection import Selection, select_models
from local.models.installed import CACHE
from local.models.sources import CATALOG
from local.workspace import Workspace, workspace_of
from tests.support.models.model_hub import publish, starter_as
from tests.support.models.self_tests import write_result
from tests.support.paths import STARTER_MODEL
from tests.unit.local.conftest import DAY

NAME = "clip-vit-b-32"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty cache of models, and a catalog with one model."""
    publish(tmp_path / "catalog", starter_as(NAME), STARTER_MODEL, tmp_path / "hub")
    monkeypatch.setenv(CATALOG, str(tmp_path / "catalog"))
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.delenv("INDEX_URL", raising=False)
    return tmp_path / "cache" / "models"


class Installer:
    """Installs models, and tests those of folders."""

    def __init__(self) -> None:
        self.installed: list[str] = []
        self.tested: list[str] = []
        self.error: Exception | None = None

    def test(self, name: str, data_dir: Path, console: Console) -> None:
        if self.error:
            raise self.error
        self.tested.append(name)

    def __call__(self, model: CatalogEntry, cache: Path, console: Console) -> str:
        if self.error:
            raise self.error
        self.installed.append(model.name)
        put_model(cache, model.name)
        return f"{model.name} is calibrated"


def put_model(cache: Path, name: str, *, tested: bool = True) -> None:
    (cache / name).mkdir(parents=True, exist_ok=True)
    (cache / name / "manifest.json").write_text(json.dumps(starter_as(name)))
    if tested:
        write_result(cache / name)


@pytest.fixture
def install() -> Installer:
    return Installer()


class Selecting:
    """Selects for one folder; `lines` has what is printed."""

    def __init__(self, folder: Path, data_dir: Path, install: Installer) -> None:
        self._folder, self._data_dir, self._install = folder, data_dir, install
        self._console = Console(file=io.StringIO(), width=500)

    @property
    def workspace(self) -> Workspace:
        return workspace_of(self._folder, self._data_dir)

    @property
    def lines(self) -> list[str]:
        return self._console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]

    def __call__(self, requested: str | None, *, yes: bool = True) -> Selection:
        install = self._install
        return select_models(
            requested, self.workspace, self._console, yes=yes, install=install, test=install.test
        )

    def put_images(self, space: str, count: int) -> None:
        index = SqliteIndex(self.workspace.index_file, f"images-{space}", 384)
        for number in range(count):
            ref = ImageRef("bucket", f"{number}.jpg")
            document = Document(ref, Status.INDEXED, "etag", DAY, 1, DAY, "model", "decoder")
            index.write([Put(document, np.eye(1, 384, dtype=np.float32)[0], None)])
        index.close()


@pytest.fixture
def select(folder: Path, tmp_path: Path, cache: Path, install: Installer) -> Selecting:
    return Selecting(folder, tmp_path / "data", install)


def test_a_new_folder_starts_with_the_model_that_was_installed(
    select: Selecting, install: Installer
) -> None:
    assert select(NAME) == Selection(NAME)
    assert install.installed == [NAME]
    assert select.lines == [f"{NAME} is calibrated"]
    assert select(NAME, yes=False) == Selection(NAME)
    assert install.installed == [NAME]


@pytest.mark.parametrize(
    "error",
    [
        ModelRefused("clip-vit-b-32 finds nothing", "--accept installs it"),
        Unavailable("cannot download the file", "check the network"),
        UsageError("another process is downloading clip-vit-b-32 already"),
    ],
)
def test_a_model_that_is_not_installed_leaves_the_present_one(
    select: Selecting, install: Installer, error: Exception
) -> None:
    install.error = error
    assert select(NAME) == Selection("starter")
    assert select.lines[0].startswith(str(error))
    assert select.lines[1] == "searching with starter"


def test_without_a_terminal_and_consent_the_error_states_size_folder_and_options(
    select: Selecting, install: Installer, cache: Path
) -> None:
    with pytest.raises(UsageError) as raised:
        select(NAME, yes=False)
    for part in ("--yes", " MB", str(cache), f"models pull {NAME}"):
        assert part in str(raised.value)
    assert install.installed == []


def test_an_indexed_folder_is_served_while_its_next_model_is_installed(
    select: Selecting, install: Installer
) -> None:
    select.workspace.remember("starter")
    assert select(NAME) == Selection("starter", NAME)
    assert install.installed == []


def test_an_unknown_model_is_an_error(select: Selecting) -> None:
    with pytest.raises(UsageError, match="there is no model 'nothing'"):
        select("nothing")


@pytest.mark.parametrize(
    ("own", "filled", "expected"),
    [
        (3, 0, Selection("starter", NAME)),
        (3, 2, Selection("starter", NAME)),
        (3, 3, Selection(NAME)),
        (0, 0, Selection(NAME)),
    ],
)
def test_an_installed_model_is_used_at_once_if_its_index_is_full(
    select: Selecting, cache: Path, own: int, filled: int, expected: Selection
) -> None:
    put_model(cache, NAME)
    select.workspace.remember("starter")
    spaces = [load_manifest(each).image_space for each in (STARTER_MODEL, cache / NAME)]
    for space, count in zip(spaces, (own, filled), strict=True):
        if count:
            select.put_images(space, count)
    assert select(NAME) == expected


def test_an_interrupted_switch_is_resumed_and_ends_when_its_model_is_missing(
    select: Selecting, cache: Path
) -> None:
    select.workspace.remember("starter")
    select.workspace.expect(NAME)
    assert select(None) == Selection("starter")
    select.workspace.expect(NAME, switching=True)
    put_model(cache, NAME)
    select.workspace.remember("starter")
    assert select(None) == Selection("starter", NAME)
    (cache / NAME / "manifest.json").unlink()
    assert select(None) == Selection("starter")
    assert f"the switch to {NAME} is canceled" in select.lines[-2]
    assert (select.workspace.next_model, select.workspace.switching) == (None, False)


def test_the_model_in_use_cancels_a_switch(select: Selecting, cache: Path) -> None:
    put_model(cache, NAME)
    select.workspace.remember("starter")
    select.workspace.expect(NAME, switching=True)
    assert select("starter") == Selection("starter")
    assert select(None) == Selection("starter")


@pytest.mark.parametrize("own", [NAME, "clip-vit-b-16"])
def test_a_folder_whose_model_is_no_longer_installed_installs_the_requested_one(
    select: Selecting, install: Installer, own: str
) -> None:
    select.workspace.remember(own)
    install.error = Unavailable("cannot download the file")
    with pytest.raises(Unavailable):
        select(NAME)
    install.error = None
    assert select(NAME) == Selection(NAME)
    assert install.installed == [NAME]


def test_an_installed_model_that_was_never_tested_is_tested_before_it_is_used(
    select: Selecting, install: Installer, cache: Path
) -> None:
    put_model(cache, NAME, tested=False)
    install.error = ModelRefused("clip-vit-b-32 finds nothing")
    assert select(None) == Selection("starter")
    install.error = None
    assert select(None) == Selection(NAME)
    assert install.installed == [NAME]
    put_model(cache, NAME, tested=False)
    (cache / NAME / CALIBRATION).unlink()
    select.workspace.remember("starter")
    assert select(NAME, yes=False) == Selection("starter", NAME)


def test_a_model_folder_without_a_calibration_is_tested_before_it_is_used(
    select: Selecting, install: Installer, tmp_path: Path
) -> None:
    put_model(tmp_path, "own", tested=False)
    own = str(tmp_path / "own")
    assert select(own) == Selection(own)
    assert install.tested == []
    manifest = {key: value for key, value in starter_as("own").items() if key != "relevance"}
    (tmp_path / "own" / "manifest.json").write_text(json.dumps(manifest))
    install.error = ModelRefused("own finds nothing")
    assert select(own) == Selection("starter")
    assert select.lines[-2:] == ["own finds nothing", "searching with starter"]
    install.error = None
    assert select(own) == Selection(own)
    assert install.tested == [own]
    select.workspace.remember("starter")
    assert select(own) == Selection("starter", own)
    assert install.tested == [own]
