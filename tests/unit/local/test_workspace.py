"""One data directory serves several folders, and records the last used one."""

import subprocess
import sys
from pathlib import Path

import pytest

from imagesearch.adapters.filesystem.own_data import LAST_USED
from local.errors import UsageError
from local.running_server import announced, running_server
from local.sync.mount_points import load_mount_points
from local.workspace import last_used, workspace_of, workspaces


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_folders_of_the_same_name_have_separate_indexes(tmp_path: Path, data_dir: Path) -> None:
    for parent in "ab":
        (tmp_path / parent / "photos").mkdir(parents=True)
    one = workspace_of(tmp_path / "a" / "photos", data_dir)
    other = workspace_of(tmp_path / "b" / "photos", data_dir)
    assert one.index_file != other.index_file
    assert one.directory.name.startswith("photos-")


def test_every_path_to_a_folder_selects_the_same_index(
    folder: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    (folder.parent / "link").symlink_to(folder)
    ways = [folder, Path(folder.name), Path("link"), folder / ".." / folder.name]
    assert len({workspace_of(way, data_dir).index_file for way in ways}) == 1


def test_the_last_used_folder_and_its_model_are_recorded(
    folder: Path, tmp_path: Path, data_dir: Path
) -> None:
    workspace_of(tmp_path, data_dir).remember("starter")
    workspace_of(folder, data_dir).remember("clip")
    found = last_used(data_dir)
    assert (found.folder, found.model) == (folder, "clip")
    assert workspace_of(tmp_path, data_dir).model == "starter"


def test_the_next_model_is_recorded_until_the_switch(folder: Path, data_dir: Path) -> None:
    workspace_of(folder, data_dir).remember("starter")
    workspace_of(folder, data_dir).expect("clip")
    found = last_used(data_dir)
    assert (found.model, found.next_model) == ("starter", "clip")
    found.remember("starter")
    assert last_used(data_dir).next_model == "clip"
    found.remember("clip")
    assert (last_used(data_dir).model, last_used(data_dir).next_model) == ("clip", None)


def test_recording_a_next_model_does_not_change_the_last_used_folder(
    folder: Path, tmp_path: Path, data_dir: Path
) -> None:
    workspace_of(tmp_path, data_dir).remember("starter")
    workspace_of(folder, data_dir).remember("starter")
    workspace_of(tmp_path, data_dir).expect("clip")
    assert last_used(data_dir).folder == folder


def test_there_is_no_last_used_folder_without_an_index(data_dir: Path) -> None:
    with pytest.raises(UsageError, match="imagesearch index FOLDER"):
        last_used(data_dir)


def test_a_missing_folder_or_a_file_is_rejected(tmp_path: Path, data_dir: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        workspace_of(tmp_path / "nowhere", data_dir)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        workspace_of(tmp_path / "file", data_dir)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_record_that_cannot_be_written_stays_as_it_was(folder: Path, data_dir: Path) -> None:
    workspace_of(folder, data_dir).remember("clip")
    writing = """
import resource, signal, sys
from pathlib import Path
from local.errors import UsageError
from local.workspace import workspace_of

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    workspace_of(*map(Path, sys.argv[1:])).remember("starter")
except UsageError as error:
    print(error)
"""
    command = [sys.executable, "-c", writing, str(folder), str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "cannot write the index" in done.stdout
    assert workspace_of(folder, data_dir).model == "clip"


DAMAGED = ("", "{ half", "null", "5", "[1]", '"text"', "[" * 100_000, '{"model": 5, "folder": [1]}')


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: content[:10])
def test_a_damaged_record_names_no_model(content: str, folder: Path, data_dir: Path) -> None:
    workspace = workspace_of(folder, data_dir)
    workspace.remember("starter")
    (workspace.directory / "workspace.json").write_text(content)
    assert workspace_of(folder, data_dir).model is None
    assert workspaces(data_dir) == []
    with pytest.raises(UsageError, match="imagesearch index FOLDER"):
        last_used(data_dir)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\0", b"../none"])
def test_a_damaged_name_of_the_last_used_folder_is_none(
    content: bytes, folder: Path, data_dir: Path
) -> None:
    workspace_of(folder, data_dir).remember("starter")
    (data_dir / LAST_USED).write_bytes(content)
    with pytest.raises(UsageError, match="imagesearch index FOLDER"):
        last_used(data_dir)


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: content[:10])
def test_a_damaged_address_is_that_of_no_server(content: str, folder: Path, data_dir: Path) -> None:
    workspace = workspace_of(folder, data_dir)
    workspace.remember("starter")
    with announced(workspace.directory, "http://localhost:1"):
        (workspace.directory / "server.json").write_text(content)
        assert running_server(workspace.directory) is None
    (workspace.directory / "places.json").write_text(content)
    assert load_mount_points(workspace.directory) == {}


def test_a_path_that_is_not_utf8_is_rejected(tmp_path: Path, data_dir: Path) -> None:
    odd = tmp_path / "\udcff"
    try:
        odd.mkdir()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    with pytest.raises(UsageError, match="UTF-8"):
        workspace_of(odd, data_dir)
