"""Rejections are reported once when the file has stopped changing, and so are recoveries."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.images import Document, ImageRef, Status
from imagesearch.domain.ports import Put
from local.sync.live_report import LiveReport
from local.sync.queue import object_event

VECTOR = np.array([1, 0, 0, 0], np.float32)


@dataclass
class Scene:
    """A folder in which files are written; content that starts with "good" is an image."""

    folder: Path
    store: FolderStore
    index: SqliteIndex
    messages: list[str] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.report = LiveReport(
            self.store, self.index, self.messages.append, 2.0, lambda: self.now
        )
        self._handle = self.report.watching(self._index)

    def ref(self, key: str) -> ImageRef:
        return ImageRef(self.store.bucket, key)

    def write(self, key: str, text: str, messages: int = 1) -> None:
        """Write a file and process its events in one batch."""
        (self.folder / key).write_text(text)
        self._handle({"Records": [{"body": object_event(self.ref(key))}] * messages}, key)

    def process(self, key: str) -> None:
        """Index a file like a run over the folder, without the live report."""
        self._index({}, key)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.report.report_due()

    def _index(self, _: Any, key: str) -> dict[str, Any]:
        ref, state = self.ref(key), self.store.head(self.ref(key))
        assert state
        at = state.last_modified
        good = (self.folder / key).read_text().startswith("good")
        found = Document(ref, Status.INDEXED, state.etag, at, state.size, at, "model", "decoder")
        if not good:
            found = replace(found, status=Status.REJECTED, reason="it is cut short")
        known = self.index.get([ref.id]).get(ref.id)
        self.index.write([Put(found, VECTOR if good else None, known and known.version)])
        return {"batchItemFailures": []}


@pytest.fixture
def scene(folder: Path, store: FolderStore, index: SqliteIndex) -> Scene:
    return Scene(folder, store, index)


def test_a_rejected_image_is_reported_once_per_content(scene: Scene) -> None:
    scene.write("bad\n.jpg", "one")
    scene.advance(2)
    scene.advance(2)
    assert scene.messages == ["rejected bad\ufffd.jpg: it is cut short"]
    scene.write("bad\n.jpg", "another")
    scene.advance(2)
    assert len(scene.messages) == 2


def test_a_file_written_in_pieces_is_reported_by_its_final_state(scene: Scene) -> None:
    for piece in range(9):
        scene.write("slow.webp", "x" * piece)
        scene.write("slow.jpg", "x" * piece)
        scene.advance(0.3)
    scene.write("slow.webp", "good")
    scene.advance(0.3)
    assert scene.messages == []
    scene.advance(2)
    assert scene.messages == ["rejected slow.jpg: it is cut short"]


def test_several_messages_of_a_file_in_one_batch_are_one_change(scene: Scene) -> None:
    scene.write("copied.jpg", "half")
    scene.write("copied.jpg", "good", messages=3)
    scene.advance(2)
    assert scene.messages == []
    scene.write("bad.jpg", "half")
    scene.advance(2)
    scene.write("bad.jpg", "good", messages=3)
    assert scene.messages[1:] == ["searchable now: bad.jpg"]


def test_nothing_is_reported_while_a_change_is_queued(scene: Scene) -> None:
    scene.write("slow.webp", "half")
    (scene.folder / "slow.webp").write_text("good, and not looked at yet")
    scene.advance(2)
    assert scene.messages == []
    scene.write("slow.webp", "good at last")
    scene.advance(2)
    assert scene.messages == []


def test_the_recovery_of_a_rejected_file_is_reported_immediately(scene: Scene) -> None:
    scene.write("slow.webp", "half")
    scene.advance(2)
    scene.write("slow.webp", "good")
    assert scene.messages[1:] == ["searchable now: slow.webp"]
    scene.write("slow.webp", "good and new")
    assert len(scene.messages) == 2


def test_the_recovery_of_a_file_rejected_by_an_index_run_is_reported(scene: Scene) -> None:
    (scene.folder / "a.jpg").write_text("half")
    scene.process("a.jpg")
    scene.write("a.jpg", "good")
    assert scene.messages == ["searchable now: a.jpg"]


def test_other_images_are_not_reported(scene: Scene) -> None:
    scene.write("a.jpg", "good")
    scene.advance(2)
    assert scene.messages == []


def test_a_due_report_needs_no_further_change(
    scene: Scene, eventually: Callable[..., None]
) -> None:
    report = LiveReport(scene.store, scene.index, scene.messages.append, quiet=0.05)
    threading.Thread(target=report.run, daemon=True).start()
    (scene.folder / "a.jpg").write_text("half")
    handle = report.watching(lambda *_: scene._index(None, "a.jpg"))
    handle({"Records": [{"body": object_event(scene.ref("a.jpg"))}]}, None)
    eventually("it is reported", lambda: scene.messages == ["rejected a.jpg: it is cut short"])
