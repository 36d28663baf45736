"""A folder of files, a store over it, an index of it, a WSGI client, and the command."""

import io
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import numpy as np
import pytest

from imagesearch.adapters.embedded_index import EmbeddedIndex
from imagesearch.adapters.folder_store import FolderStore
from imagesearch.domain import Document, ImageRef, Status
from imagesearch.writes import Put

from ...forked_commands import ForkedCommands

Run = Callable[..., subprocess.CompletedProcess[str]]
DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def run(commands: ForkedCommands, tmp_path: Path) -> Run:
    """Runs `imagesearch` in a directory of its own."""
    return lambda *arguments: commands.run(list(arguments), tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    return made


@pytest.fixture
def store(folder: Path) -> FolderStore:
    return FolderStore(folder)


@pytest.fixture
def index(tmp_path: Path) -> Iterable[EmbeddedIndex]:
    made = EmbeddedIndex(tmp_path / "index.db", "images-test", 4)
    yield made
    made.close()


@pytest.fixture
def remember(store: FolderStore, index: EmbeddedIndex) -> Callable[..., None]:
    """Makes the index hold these keys, whether or not there are such files."""

    def put(*keys: str) -> None:
        vector = np.array([1, 0, 0, 0], np.float32)
        index.write([Put(_document(ImageRef(store.bucket, key)), vector, None) for key in keys])

    return put


def _document(ref: ImageRef) -> Document:
    return Document(ref, Status.INDEXED, "etag", DAY, 1, DAY, "model", "decoder")


@dataclass
class Answer:
    status: str
    headers: dict[str, str]
    body: bytes


Get = Callable[..., Answer]


@pytest.fixture
def call() -> Get:
    """Calls a WSGI application as a server would."""

    def send(
        app: Any, path: str = "/", method: str = "GET", body: bytes = b"", **given: str
    ) -> Answer:
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
        return Answer(started[0], dict(started[1]), content)

    return send
