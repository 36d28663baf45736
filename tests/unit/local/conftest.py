"""A folder of files with its store and index, a WSGI client, and the command."""

import errno
import io
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import numpy as np
import pytest
from rich.console import Console

from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.images import Document, ImageRef, Status
from imagesearch.domain.ports import Put
from imagesearch.indexing.indexer import Indexer
from imagesearch.settings import Settings
from local.sync.reconcile import FolderEngine
from local.sync.report import Report
from local.workspace import Workspace
from tests.support.fakes import FakeImages
from tests.support.forked_commands import ForkedCommands

Run = Callable[..., subprocess.CompletedProcess[str]]
DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def run(commands: ForkedCommands, tmp_path: Path) -> Run:
    """Runs `imagesearch` in a separate directory, with a data directory of its own."""
    environment = os.environ | {"IMAGESEARCH_DATA_DIR": str(tmp_path / ".imagesearch")}
    return lambda *arguments: commands.run(list(arguments), tmp_path, environment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    return made


@pytest.fixture
def store(folder: Path) -> FolderStore:
    return FolderStore(folder)


@pytest.fixture
def index(tmp_path: Path) -> Iterable[SqliteIndex]:
    made = SqliteIndex(tmp_path / "index.db", "images-test", 4)
    yield made
    made.close()


@pytest.fixture
def add_records(store: FolderStore, index: SqliteIndex) -> Callable[..., None]:
    """Adds records of keys to the index; the files need not exist."""

    def put(*keys: str) -> None:
        vector = np.array([1, 0, 0, 0], np.float32)
        index.write([Put(_document(ImageRef(store.bucket, key)), vector, None) for key in keys])

    return put


def _document(ref: ImageRef) -> Document:
    return Document(ref, Status.INDEXED, "etag", DAY, 1, DAY, "model", "decoder")


@dataclass
class Library:
    """A folder with its index and a fake model for files of `picture`; `run` indexes it."""

    folder: Path
    directory: Path
    index: SqliteIndex
    store: FolderStore
    images: FakeImages

    def run(self, forget: bool = False, force: bool = False) -> Report:
        report = Report()
        indexer = Indexer(self.store, self.index, self.images, force=force)
        workspace = Workspace(self.folder, self.directory)
        settings = Settings.from_environment(
            {
                "BUCKET": self.folder.as_uri(),
                "INDEX_URL": f"sqlite://{self.directory}/index.db",
                "MODEL_URI": "fake",
            }
        )
        engine = FolderEngine(workspace, settings, self.store, self.index, indexer)
        for _ in engine.reconcile(report, Console(quiet=True), lambda _: forget):
            pass
        return report

    @property
    def records(self) -> dict[str, Document]:
        return {found.document.ref.key: found.document for found in self.index.scan()}


@contextmanager
def opened_library(folder: Path, directory: Path) -> Iterator[Library]:
    directory.mkdir(exist_ok=True)
    index = SqliteIndex(directory / "index.db", "images-fake", 8)
    try:
        yield Library(folder, directory, index, FolderStore(folder), FakeImages())
    finally:
        index.close()


@pytest.fixture
def library(folder: Path, tmp_path: Path) -> Iterator[Library]:
    with opened_library(folder, tmp_path / "data") as made:
        yield made


class FilesystemFaults:
    """Makes system calls fail for some paths, also for root."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._whole: dict[str, int] = {}
        self._inside: dict[str, int] = {}
        for name in ("stat", "lstat", "scandir", "open", "statvfs"):
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))

    def locked(self, folder: Path, code: int = errno.EACCES) -> None:
        """Deny listing the folder and access to its entries."""
        self._inside[str(folder)] = code

    def broken(self, path: Path, code: int) -> None:
        """Deny every access to the path."""
        self._whole[str(path)] = code

    def clear(self) -> None:
        self._whole.clear()
        self._inside.clear()

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def fail(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            if not isinstance(path, int):
                self._check(os.fsdecode(path), listing=call.__name__ == "scandir")
            return call(path, *arguments, **options)

        return fail

    def _check(self, path: str, listing: bool) -> None:
        for start, code in (self._whole | self._inside).items():
            itself = path == start and (listing or start in self._whole)
            if itself or path.startswith(start + "/"):
                raise OSError(code, os.strerror(code), path)


@pytest.fixture
def filesystem_faults(monkeypatch: pytest.MonkeyPatch) -> FilesystemFaults:
    return FilesystemFaults(monkeypatch)


@dataclass
class Response:
    status: str
    headers: dict[str, str]
    body: bytes


Get = Callable[..., Response]


@pytest.fixture
def call() -> Get:
    """Calls a WSGI application like a server."""

    def send(
        app: Any, path: str = "/", method: str = "GET", body: bytes = b"", **given: str
    ) -> Response:
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path.encode().decode("latin-1"),
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost:8000",
            "wsgi.input": io.BytesIO(body),
            "wsgi.file_wrapper": FileWrapper,
            **given,
        }
        started: list[Any] = []
        chunks = app(environ, lambda status, headers, *_: started.extend((status, headers)))
        content = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        return Response(started[0], dict(started[1]), content)

    return send
