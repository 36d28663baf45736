"""Claims: renamed, moved and swapped files are read again, and never embedded again."""

import logging
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from PIL import Image

from functions.index_images.handler import BatchReport, make_handler
from imagesearch.adapters.filesystem.derived_store import FolderDerived
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.adapters.sqlite.content_lookup import SqliteContentLookup
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.queries import Selection
from imagesearch.indexing.content_reuse import ContentSource
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import Outcome
from local.sync.folder_sync import FolderSync
from local.sync.reconcile import missing_images, reconcile
from local.workspace import workspace_of
from tests.support.fakes import FakeImages, picture, vector

FILES = 1_000
NAME, DIMENSION = "images-test", 8
PATIENCE_SECONDS = 300.0

Eventually = Callable[..., None]
SyncFolder = Callable[[], list[Outcome]]


@pytest.fixture
def images() -> FakeImages:
    return FakeImages()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    made = SqliteIndex(tmp_path / "index.db", NAME, DIMENSION)
    yield made
    made.close()


@pytest.fixture
def derived(tmp_path: Path) -> FolderDerived:
    return FolderDerived(tmp_path / "derived")


@pytest.fixture
def indexer(
    store: FolderStore, index: SqliteIndex, images: FakeImages, derived: FolderDerived
) -> Indexer:
    return Indexer(store, index, images, derived=derived)


@pytest.fixture
def sync_folder(store: FolderStore, index: SqliteIndex, indexer: Indexer) -> SyncFolder:
    """Reconciles the folder like `index` and `serve`."""

    def sync_folder() -> list[Outcome]:
        present = [ref for ref, _ in store.list_images()]
        outcomes = list(reconcile(indexer, present))
        listed = {ref.key for ref in present}
        return outcomes + list(reconcile(indexer, missing_images(store, index, listed, {})))

    return sync_folder


@pytest.fixture
def live(
    folder: Path, store: FolderStore, index: SqliteIndex, indexer: Indexer, sync_folder: SyncFolder
) -> Iterator[FolderSync]:
    """A folder sync that passes changes to the indexing function."""
    logger = Logger(service="renames", level=logging.ERROR, stream=StringIO())
    metrics = EphemeralMetrics(namespace="imagesearch", service="renames")
    handler = make_handler(indexer, store.bucket, logger, BatchReport(logger, metrics))
    reconciled = threading.Event()

    def initial_sync() -> Iterator[Outcome]:
        yield from sync_folder()
        reconciled.set()

    sync = FolderSync(folder, store, index, handler, initial_sync)
    sync.start()
    # Before that two threads can process the same new file, and both embed it.
    assert reconciled.wait(PATIENCE_SECONDS)
    yield sync
    sync.stop()


def fill(folder: Path, count: int = FILES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:04}.png").write_bytes(picture(f"{folder.name} {number}"))


def keys(index: SqliteIndex) -> list[str]:
    return [scanned.document.ref.key for scanned in index.scan()]


def counted(index: SqliteIndex, prefix: str) -> int:
    return index.count(Selection(filter=KeyPrefix(prefix)))


def names(folder: str, count: int = FILES) -> list[str]:
    return [f"{folder}/{number:04}.png" for number in range(count)]


def test_a_renamed_folder_is_embedded_once(
    folder: Path, index: SqliteIndex, images: FakeImages, sync_folder: SyncFolder, tmp_path: Path
) -> None:
    count = 300
    fill(folder / "trip", count)
    sync_folder()
    (folder / "trip").rename(folder / "a tour")
    outcomes = sync_folder()
    assert keys(index) == names("a tour", count)
    assert len(images.read) == count
    assert sum(outcome.reused for outcome in outcomes) == count
    assert len(list((tmp_path / "derived").rglob("*.jpg"))) == count


@pytest.mark.slow
def test_a_folder_renamed_while_watched_is_embedded_once(
    folder: Path, index: SqliteIndex, images: FakeImages, live: FolderSync, eventually: Eventually
) -> None:
    fill(folder / "trip")
    eventually("it is indexed", lambda: counted(index, "trip/") == FILES, PATIENCE_SECONDS)
    (folder / "trip").rename(folder / "zoo")
    eventually("it is renamed", lambda: counted(index, "zoo/") == FILES, PATIENCE_SECONDS)
    eventually("the old record is deleted", lambda: counted(index, "") == FILES, PATIENCE_SECONDS)
    assert keys(index) == names("zoo")
    assert len(images.read) == FILES
    assert live.queue.dead_letters == []


@pytest.mark.usefixtures("live")
@pytest.mark.slow
def test_a_file_renamed_while_watched_is_embedded_once(
    folder: Path, index: SqliteIndex, images: FakeImages, eventually: Eventually
) -> None:
    (folder / "a.png").write_bytes(picture("a"))
    eventually("it is indexed", lambda: keys(index) == ["a.png"], PATIENCE_SECONDS)
    for old, new in (("a.png", "z.png"), ("z.png", "b.png")):
        (folder / old).rename(folder / new)
        eventually(f"it is {new}", lambda new=new: keys(index) == [new], PATIENCE_SECONDS)
    assert images.read == [picture("a")]


def test_folders_that_swap_names_are_embedded_once(
    folder: Path,
    index: SqliteIndex,
    images: FakeImages,
    store: FolderStore,
    sync_folder: SyncFolder,
) -> None:
    count = 200
    for name in ("2023", "2024"):
        fill(folder / name, count)
    sync_folder()
    (folder / "2023").rename(folder / "was")
    (folder / "2024").rename(folder / "2023")
    (folder / "was").rename(folder / "2024")
    sync_folder()
    assert keys(index) == names("2023", count) + names("2024", count)
    assert len(images.read) == 2 * count
    for scanned in index.scan(embeddings=True):
        words = store.path(scanned.document.ref.key).read_bytes().removeprefix(picture(""))
        assert scanned.embedding is not None
        assert scanned.embedding == pytest.approx(vector(words.decode()), abs=1e-6)


def test_a_touched_file_keeps_its_record(
    folder: Path, index: SqliteIndex, images: FakeImages, sync_folder: SyncFolder
) -> None:
    fill(folder, 3)
    sync_folder()
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes())
    assert {outcome.kind.value for outcome in sync_folder()} == {"updated"}
    assert len(images.read) == 3
    assert {outcome.kind.value for outcome in sync_folder()} == {"unchanged"}


def test_a_moved_library_reuses_its_old_index(
    tmp_path: Path,
    index: SqliteIndex,
    derived: FolderDerived,
    folder: Path,
    sync_folder: SyncFolder,
) -> None:
    fill(folder / "in", 20)
    sync_folder()
    folder = folder.rename(tmp_path / "elsewhere")
    (folder / "new.png").write_bytes(picture("new"))
    old = ContentSource(SqliteContentLookup(tmp_path / "index.db", NAME, DIMENSION), derived)
    moved = SqliteIndex(tmp_path / "moved.db", NAME, DIMENSION)
    store, images = FolderStore(folder), FakeImages()
    indexer = Indexer(
        store, moved, images, derived=FolderDerived(tmp_path / "thumbs"), sources=[old]
    )
    outcomes = list(reconcile(indexer, [ref for ref, _ in store.list_images()]))
    assert images.read == [picture("new")]
    assert sum(outcome.reused for outcome in outcomes) == 20
    assert keys(moved) == [*names("in", 20), "new.png"]
    assert len(list((tmp_path / "thumbs").rglob("*.jpg"))) == 21
    moved.close()


@pytest.fixture
def photos(folder: Path) -> Path:
    """Three pictures, two of them with the same bytes."""
    for name, color in (("red", "red"), ("blue", "blue"), ("also red", "red")):
        Image.new("RGB", (64, 64), color).save(folder / f"{name}.png")
    return folder


@pytest.mark.slow
def test_the_command_reports_the_number_of_reused_records(
    run: Callable, photos: Path, tmp_path: Path
) -> None:
    assert "3 indexed (1 with known content) in" in run("index", str(photos)).stderr
    moved = photos.rename(tmp_path / "mo ved, 50% #1")
    done = run("index", str(moved))
    assert done.returncode == 0
    assert "3 indexed (3 with known content) in" in done.stderr
    (moved / "red.png").rename(moved / "rot.png")
    assert (
        "1 indexed (1 with known content), 2 unchanged, 1 deleted"
        in run("index", str(moved)).stderr
    )
    found = run("search", "red", "--all", "--folder", str(moved), "--json")
    assert found.returncode == 0
    assert "rot.png" in found.stdout


def test_workspaces_of_missing_folders_are_searched_first_and_their_number_is_limited(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    for number in range(20):
        folder = tmp_path / f"library {number:02}"
        folder.mkdir()
        workspace = workspace_of(folder, data)
        workspace.remember("starter")
        if number != 7:
            workspace.index_file.write_bytes(b"")
    (tmp_path / "library 03").rmdir()
    (data / "models").mkdir()
    (data / "broken").mkdir()
    (data / "broken" / "workspace.json").write_text("[")
    mine = workspace_of(tmp_path / "library 05", data)
    others = mine.others()
    assert others[0].folder.name == "library 03"
    assert len(others) == 16
    assert not {"library 05", "library 07"} & {other.folder.name for other in others}
