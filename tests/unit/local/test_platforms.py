"""Claims: macOS and Windows have data, models and workspaces at the platform's places, as far as a
simulated file system shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from platformdirs.macos import MacOS
from pyfakefs.fake_filesystem import OSType
from pyfakefs.fake_filesystem_unittest import Patcher

from local import data_directory, workspace
from local.models import models_cache


@pytest.fixture(params=[OSType.MACOS, OSType.WINDOWS], ids=["macos", "windows"])
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The home directory in the simulated file system of a platform."""
    with Patcher(modules_to_reload=[workspace, data_directory]) as patcher:
        patcher.fs.os = request.param
        yield Path("C:/Users/me" if request.param is OSType.WINDOWS else "/Users/me")


@pytest.mark.parametrize("name", ["Pictures", "Ünïcode 日本", "with space & co"])
def test_a_folder_has_one_workspace_which_is_found_again(home: Path, name: str) -> None:
    folder, data_dir = home / name, home / "data"
    (folder / "2024").mkdir(parents=True)
    workspace.workspace_of(folder, data_dir).remember("starter")
    for found in (
        workspace.last_used(data_dir),
        workspace.workspace_around(folder / "2024", data_dir),
        *workspace.workspaces(data_dir),
    ):
        assert found
        assert (found.folder, found.model) == (folder, "starter")
    inside = workspace.workspace_and_prefix(folder, folder / "2024", data_dir)
    assert inside[1] == "2024/"


def test_an_index_of_an_earlier_release_is_linked(home: Path) -> None:
    folder, old, data_dir = home / "Pictures", home / ".imagesearch", home / "data"
    folder.mkdir(parents=True)
    workspace.workspace_of(folder, old).remember("starter")
    assert data_directory.adopt(old, data_dir)
    assert workspace.last_used(data_dir).folder == folder


def test_indexes_and_models_are_at_the_places_of_the_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/Users/me")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    data = MacOS("imagesearch", appauthor=False).user_data_path
    assert data == Path("/Users/me/Library/Application Support/imagesearch")
    assert models_cache({}, "darwin") == Path("/Users/me/Library/Caches/imagesearch/models")
    local = "/C/Users/me/AppData/Local"
    assert models_cache({"LOCALAPPDATA": local}, "win32") == Path(local, "imagesearch/models")
