"""Claims: macOS and Windows have the keys, excludes and workspaces of Linux, as far as a simulated
file system shows, and no module needs what only POSIX has."""

import importlib
import json
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from platformdirs.macos import MacOS
from pyfakefs.fake_filesystem import FakeFilesystem, OSType
from pyfakefs.fake_filesystem_unittest import Patcher

from imagesearch.adapters.filesystem import derived_store, image_store, mounts, secret_file, walk
from imagesearch.domain.images import ImageRef
from local import data_directory, workspace
from local.models.installed import models_cache

POSIX_MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
POSIX_ATTRIBUTES = {
    os: ("O_CLOEXEC", "O_NONBLOCK", "geteuid", "getuid", "major", "pwrite", "statvfs"),
    signal: ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPROF", "setitimer"),
}


@pytest.fixture(params=[OSType.MACOS, OSType.WINDOWS], ids=["macos", "windows"])
def system(request: pytest.FixtureRequest) -> Iterator[FakeFilesystem]:
    """The simulated file system of a platform, which ignores case."""
    with Patcher() as patcher, pytest.MonkeyPatch.context() as patch:
        patcher.fs.os = request.param
        patch.setattr(mounts, "MOUNTINFO", Path("no-mountinfo"))
        yield patcher.fs


@pytest.fixture
def home(system: FakeFilesystem) -> Path:
    return Path("C:/Users/me" if system.is_windows_fs else "/Users/me")


@pytest.fixture
def pictures(home: Path) -> Path:
    folder = home / "Pictures"
    for name in ("2024/Trip/Owl.webp", "2024/日本.heic", "b.jpg", "Thumbs.db", "old/x.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / ".imagesearchignore").write_text("/old/\n")
    return folder


def test_keys_are_paths_with_slashes_and_excluded_files_have_none(pictures: Path) -> None:
    store = image_store.FolderStore(pictures)
    listed = [ref.key for ref, _ in store.list_images()]
    assert listed == ["2024/Trip/Owl.webp", "2024/日本.heic", "b.jpg"]
    assert [path for path, _ in store.skipped()] == []
    entries = [each for each in store.walk() if isinstance(each, walk.ExcludedEntry)]
    assert {each.path for each in entries} == {"old", "Thumbs.db"}
    for key in listed:
        found = store.path(key)
        assert found == pictures / key
        assert store.ref(found).key == key
        assert store.unavailability(key) is None
    (pictures.parent / "secret").write_bytes(b"secret")
    for key in ("old/x.jpg", "../secret", "..\\secret", "2024/../b.jpg", "C:/Users/me/secret"):
        assert store.head(ImageRef(store.bucket, key)) is None
    assert store.unavailability("2024/deleted.jpg") is None


def test_only_the_spelling_of_a_file_is_its_key(pictures: Path) -> None:
    store = image_store.FolderStore(pictures)
    owl = store.ref(pictures / "2024/Trip/Owl.webp")
    assert owl
    assert store.head(owl)
    (pictures / "2024/Trip/Owl.webp").rename(pictures / "2024/Trip/OWL.webp")
    assert store.head(owl) is None
    for key in ("2024/trip/OWL.webp", "2024/Trip/owl.webp", "B.jpg"):
        assert store.path(key) is None


def test_another_case_leads_to_the_same_workspace(pictures: Path, home: Path) -> None:
    data_dir = home / "data"
    named, otherwise = (
        workspace.workspace_of(each, data_dir) for each in (pictures, home / "PICTURES")
    )
    assert named == otherwise
    named.remember("starter")
    assert workspace.workspace_around(home / "pictures/2024/trip", data_dir)
    inside = workspace.workspace_and_prefix(home / "pictures", Path("2024/TRIP"), data_dir)
    assert inside[1] == "2024/Trip/"


def test_thumbnails_and_secrets_are_files(home: Path) -> None:
    derived = derived_store.FolderDerived(home / "derived")
    derived.put("a/b/c.webp", b"\r\n", "image/webp")
    assert [key for key, _ in derived.list_keys("a/")] == ["a/b/c.webp"]
    assert derived.get("a/b/c.webp") == b"\r\n"
    assert secret_file.secret_of(home / "secret") == secret_file.secret_of(home / "secret")


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


class WindowsLocks:
    """The function and constant of `msvcrt` that lock a byte at the position of a descriptor."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        import fcntl

        self._fcntl = fcntl

    def locking(self, file: int, mode: int, size: int) -> None:
        assert (mode, size) == (self.LK_NBLCK, 1)
        assert os.lseek(file, 0, os.SEEK_CUR) > os.fstat(file).st_size
        self._fcntl.flock(file, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)


@contextmanager
def missing_posix() -> Iterator[None]:
    """Python without the modules and attributes that Windows has not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "msvcrt", WindowsLocks())
        for module in POSIX_MODULES:
            patch.setitem(sys.modules, module, None)
        for owner, attributes in POSIX_ATTRIBUTES.items():
            for attribute in attributes:
                patch.delattr(owner, attribute)
        yield


@pytest.fixture(scope="module")
def imported() -> Iterator[dict[str, Any]]:
    """The modules of the product by their names, imported without what only POSIX has."""
    ours = ("imagesearch.", "functions.", "local.")
    kept = {name: module for name, module in sys.modules.items() if f"{name}.".startswith(ours)}
    openers = dict(Image.OPEN)
    for name in kept:
        del sys.modules[name]
    try:
        with missing_posix():
            for root in ("imagesearch", "local"):
                path = importlib.import_module(root).__path__
                for each in pkgutil.walk_packages(path, f"{root}."):
                    importlib.import_module(each.name)
        yield {name: module for name, module in sys.modules.items() if name.startswith(ours)}
    finally:
        for name in [name for name in sys.modules if f"{name}.".startswith(ours)]:
            del sys.modules[name]
        sys.modules.update(kept)
        # Pillow keeps the decoders of modules that are imported again.
        Image.OPEN.update(openers)


@pytest.fixture
def without_posix(imported: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with missing_posix():
        yield imported


def test_no_module_needs_posix(without_posix: dict[str, Any]) -> None:
    assert {"local.cli", "local.web.server", "imagesearch.bootstrap"} <= without_posix.keys()


def test_a_server_is_announced_and_a_model_locked_without_posix(
    without_posix: dict[str, Any], tmp_path: Path
) -> None:
    server, models = without_posix["local.running_server"], without_posix["local.models.puller"]
    assert server.running_server(tmp_path) is None
    with server.announced(tmp_path, "http://127.0.0.1:8123"):
        assert server.running_server(tmp_path) == "http://127.0.0.1:8123"
        assert json.loads((tmp_path / server.FILE).read_text())
    assert server.running_server(tmp_path) is None
    lock = models.exclusive_lock(tmp_path / "model")
    with lock, pytest.raises(Exception, match="another"):
        models.exclusive_lock(tmp_path / "model").__enter__()


def test_files_are_read_without_posix(without_posix: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\r\n\x1a")
    store = without_posix["imagesearch.adapters.filesystem.image_store"].FolderStore(tmp_path)
    [(ref, state)] = store.list_images()
    assert store.read(ref, state) == b"\r\n\x1a"
    secret = without_posix["imagesearch.adapters.filesystem.secret_file"].secret_of
    assert len(secret(tmp_path / "secret")) == 32
    assert without_posix["local.web.server"]._connection_limit() > 0


def test_a_decoder_that_ended_is_reported_without_signals(without_posix: dict[str, Any]) -> None:
    process = without_posix["imagesearch.embedding.decoding.workers.process"]
    ended = object.__new__(process.DecoderProcess)
    ended._process = SimpleNamespace(wait=lambda seconds: 0xC0000005)
    assert str(ended._death()) == "ended with status 3221225477"
