"""Changed files, failures and gaps cause events for the indexing function."""

import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.indexing.planner import Outcome, OutcomeKind
from local.sync.folder_sync import FolderSync
from tests.unit.local.conftest import FilesystemFaults

Eventually = Callable[..., None]


class Work:
    """A recording indexing function and reconcile."""

    def __init__(self, store: FolderStore) -> None:
        self.keys: list[str] = []
        self.failing: set[str] = set()
        self.reconciled = 0
        self._failed = ImageRef(store.bucket, "failed.jpg")

    def handler(self, event: dict[str, Any], _: Any) -> dict[str, Any]:
        failures = []
        for record in event["Records"]:
            key = json.loads(record["body"])["detail"]["object"]["key"]
            self.keys.append(key)
            if key in self.failing:
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    def reconcile(self) -> Iterator[Outcome]:
        self.reconciled += 1
        yield Outcome(ImageRef("bucket", "fine.jpg"), OutcomeKind.INDEXED)
        yield Outcome(self._failed, OutcomeKind.FAILED, "not now")


@pytest.fixture
def work(folder: Path, store: FolderStore, index: SqliteIndex) -> Iterator[Work]:
    made = Work(store)
    sync = FolderSync(folder, store, index, made.handler, made.reconcile)
    sync.start()
    yield made
    sync.stop()


def test_keys_that_the_reconcile_could_not_process_are_queued(
    work: Work, eventually: Eventually
) -> None:
    eventually("it is handed over", lambda: work.keys == ["failed.jpg"])
    assert work.reconciled == 1


def test_a_changed_file_is_queued(work: Work, folder: Path, eventually: Eventually) -> None:
    eventually("the watch stands", lambda: work.reconciled)
    (folder / "new.jpg").touch()
    eventually("it is handed over", lambda: "new.jpg" in work.keys)


def test_a_failed_reconcile_does_not_stop_the_sync(
    folder: Path, store: FolderStore, index: SqliteIndex, eventually: Eventually
) -> None:
    work = Work(store)
    tried: list[int] = []

    def unavailable() -> Iterator[Outcome]:
        tried.append(1)
        raise Unavailable("the folder is unavailable")

    sync = FolderSync(folder, store, index, work.handler, unavailable)
    sync.start()
    try:
        eventually("it is tried", lambda: tried)
        (folder / "new.jpg").touch()
        eventually("changes are still handed over", lambda: "new.jpg" in work.keys)
    finally:
        sync.stop()


def test_an_unreachable_file_is_not_retried_but_included_in_the_next_reconcile(
    folder: Path,
    store: FolderStore,
    index: SqliteIndex,
    filesystem_faults: FilesystemFaults,
    eventually: Eventually,
) -> None:
    filesystem_faults.broken(folder / "failed.jpg", errno.EIO)
    work = Work(store)
    work.failing = {"failed.jpg", "other.jpg"}
    sync = FolderSync(folder, store, index, work.handler, work.reconcile)
    sync.start()
    try:
        eventually("it is reconciled", lambda: work.reconciled >= 1)
        assert work.keys == []
        sync.send(ImageRef(store.bucket, "failed.jpg"))
        eventually("it is reconciled again", lambda: work.reconciled >= 2)
        sync.send(ImageRef(store.bucket, "other.jpg"))
        eventually("another file is tried again", lambda: work.keys.count("other.jpg") >= 2)
        assert work.keys.count("failed.jpg") == 1
    finally:
        sync.stop()
    assert [message.body for message in sync.queue.dead_letters if "failed" in message.body] == []
