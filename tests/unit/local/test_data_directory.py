"""Claims: indexes are found from every directory, and those of earlier releases are adopted."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from imagesearch.adapters.filesystem.own_data import is_own_directory, own_directory_around
from local.data_directory import OLD_DATA_DIR, adopt, default_data_dir, user_data_dir
from local.workspace import last_used, selected_workspace, workspace_of, workspaces
from tests.support.forked_commands import ForkedCommands

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path / "share" / "imagesearch"


@pytest.fixture
def old(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of an earlier release, below the current directory."""
    monkeypatch.chdir(tmp_path)
    made = tmp_path / OLD_DATA_DIR
    workspace_of(folder, made).remember("starter")
    (workspace_of(folder, made).derived / "thumbnails").mkdir(parents=True)
    (made / "models" / "own").mkdir(parents=True)
    (made / "models" / "own" / "manifest.json").touch()
    return made


def test_an_old_data_directory_is_linked_and_nothing_in_it_moves(
    data_home: Path, old: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(old.rglob("*"))
    assert default_data_dir() == data_home == user_data_dir()
    assert f"{old} was made by an earlier release" in capsys.readouterr().err
    found = last_used(data_home)
    assert (found.folder, found.model) == (folder, "starter")
    assert found.directory.resolve() == workspace_of(folder, old).directory
    assert (data_home / "models/own/manifest.json").is_file()
    assert sorted(old.rglob("*")) == before
    assert default_data_dir() == data_home
    assert capsys.readouterr().err == ""


def test_an_index_in_the_data_directory_has_precedence(
    data_home: Path, old: Path, folder: Path
) -> None:
    workspace_of(folder, data_home).remember("newer")
    assert adopt(old, data_home) == []
    assert last_used(data_home).model == "newer"


def test_a_deleted_adopted_index_is_replaced(data_home: Path, old: Path, folder: Path) -> None:
    adopt(old, data_home)
    old.rename(old.with_name("elsewhere"))
    assert workspaces(data_home) == []
    workspace_of(folder, data_home).remember("starter")
    assert [each.folder for each in workspaces(data_home)] == [folder]


def test_the_data_directory_is_never_indexed(data_home: Path, old: Path, folder: Path) -> None:
    adopt(old, data_home)
    link = workspace_of(folder, data_home).directory
    assert is_own_directory(data_home)
    assert own_directory_around(link) == link
    assert is_own_directory(old)


def test_another_directory_of_that_name_is_not_adopted(
    data_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / OLD_DATA_DIR / "photos").mkdir(parents=True)
    assert default_data_dir() == data_home
    assert not data_home.exists()


def test_a_search_below_an_indexed_folder_is_in_that_folder(
    data_home: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub" / "dir").mkdir(parents=True)
    for each in (folder, folder / "sub", tmp_path / "share"):
        each.mkdir(exist_ok=True)
        workspace_of(each, data_home).remember("starter")
    for current, selected in (
        ("", folder),
        ("sub/dir", folder / "sub"),
        ("..", tmp_path / "share"),
    ):
        monkeypatch.chdir(folder / current)
        assert selected_workspace(None, data_home).folder == selected


@pytest.mark.slow
def test_an_index_is_found_from_every_directory(
    commands: ForkedCommands, data_home: Path, folder: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    environment = dict(os.environ)
    del environment["IMAGESEARCH_DATA_DIR"]
    assert commands.run(["index", str(folder)], tmp_path, environment).returncode == 0
    done = commands.run(["search", "red", "--all"], Path("/"), environment)
    assert (done.returncode, "red.png" in done.stdout) == (0, True)
    assert f"in {folder}" in done.stderr
    assert not (tmp_path / OLD_DATA_DIR).exists()
    assert next(data_home.glob("pictures-*/index.db"))
