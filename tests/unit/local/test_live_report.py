"""A rejected image is told once on the terminal, by its name."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from imagesearch.adapters.embedded_index import EmbeddedIndex
from imagesearch.domain import Document, ImageRef, Status
from imagesearch.writes import Put
from local.live_report import reporting
from local.s3_events import object_event

DAY = datetime(2026, 1, 1, tzinfo=UTC)
REF = ImageRef("file:///folder", "bad\n.jpg")
REJECTED = Document(REF, Status.REJECTED, "1", DAY, 1, DAY, "model", "decoder", "it is cut short")


def done(*_: Any) -> dict[str, Any]:
    return {"batchItemFailures": []}


def test_a_rejected_image_is_told_once_for_each_content(index: EmbeddedIndex) -> None:
    said: list[str] = []
    handler = reporting(done, index, said.append)
    event = {"Records": [{"body": object_event(REF)}]}
    index.write([Put(REJECTED, None, None)])
    for _ in range(2):
        assert handler(event, None) == {"batchItemFailures": []}
    assert said == ["rejected bad\ufffd.jpg: it is cut short"]

    version = index.get([REF.id])[REF.id].version
    index.write([Put(replace(REJECTED, etag="2", reason="it is empty"), None, version)])
    handler(event, None)
    assert said[1:] == ["rejected bad\ufffd.jpg: it is empty"]


def test_nothing_is_told_of_other_images(index: EmbeddedIndex) -> None:
    said: list[str] = []
    gone = ImageRef(REF.bucket, "gone.jpg")
    reporting(done, index, said.append)({"Records": [{"body": object_event(gone)}]}, None)
    assert said == []
