"""The index follows the folder through changes of files and crashes of the process."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import FEW, reset_to_few

Eventually = Callable[..., None]
Serve = Callable[[Path], Any]


@pytest.fixture(scope="module")
def server(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return serve(reset_to_few(tmp_path_factory.mktemp("live") / "few")).start().ready()


@pytest.fixture
def live(server: Any, eventually: Eventually) -> Iterator[Any]:
    """A shared server of a few samples; the folder is reset after each test."""
    yield server
    reset_to_few(server.folder)
    sizes = {name: (server.folder / name).stat().st_size for name in FEW}

    def is_reset() -> bool:
        found = {key: image["size"] for key, image in server.listed().items()}
        return found == sizes and not server.listed("rejected")

    eventually("the folder is reset", is_reset)


@pytest.fixture
def stoppable(few: Path, serve: Serve) -> Any:
    """A server that the test can stop."""
    return serve(few).start().ready()


@pytest.fixture
def parrot(samples: list[Path]) -> Path:
    return next(path for path in samples if "parrot" in path.name)


def test_a_dropped_file_is_found_and_a_deleted_one_is_not(
    live: Any, parrot: Path, eventually: Eventually
) -> None:
    dropped = live.folder / "animals" / "new.webp"
    shutil.copyfile(parrot, dropped)
    eventually("the parrot is found", lambda: live.keys("a parrot")[0] == "animals/new.webp")
    dropped.unlink()
    eventually("it is deleted", lambda: "animals/new.webp" not in live.keys("a parrot"))


def test_health_reports_no_lag_once_the_folder_is_watched(
    live: Any, parrot: Path, eventually: Eventually
) -> None:
    shutil.copyfile(parrot, live.folder / "new.webp")
    eventually("the parrot is found", lambda: "new.webp" in live.keys("a parrot"))
    nothing = {"waiting": 0, "in_flight": 0}
    eventually("nothing waits", lambda: live.get("/v1/health")["lag"] == nothing)


def test_an_overwritten_file_is_found_by_its_new_content(
    live: Any, parrot: Path, eventually: Eventually
) -> None:
    shutil.copyfile(parrot, live.folder / "objects" / "white-chair.webp")
    eventually(
        "the chair is a parrot", lambda: live.keys("a parrot")[0] == "objects/white-chair.webp"
    )


def test_a_renamed_file_has_only_its_new_key(live: Any, eventually: Eventually) -> None:
    (live.folder / "animals" / "owl.webp").rename(live.folder / "eule.webp")
    eventually(
        "it has its new name",
        lambda: (
            set(live.listed())
            == {
                "eule.webp",
                "animals/cow.webp",
                "landmarks/eiffel-tower.webp",
                "objects/white-chair.webp",
            }
        ),
    )


def test_all_files_of_a_folder_that_is_moved_in_renamed_and_moved_out_are_followed(
    live: Any, samples: list[Path], tmp_path: Path, eventually: Eventually
) -> None:
    before = set(live.listed())
    outside = tmp_path / "trip"
    (outside / "deep").mkdir(parents=True)
    for sample, name in zip(samples, ("1.webp", "deep/2.webp"), strict=False):
        shutil.copyfile(sample, outside / name)
    outside.rename(live.folder / "trip")
    eventually(
        "both are in", lambda: set(live.listed()) == before | {"trip/1.webp", "trip/deep/2.webp"}
    )
    (live.folder / "trip").rename(live.folder / "tour")
    eventually(
        "both have moved",
        lambda: set(live.listed()) == before | {"tour/1.webp", "tour/deep/2.webp"},
    )
    (live.folder / "tour").rename(outside)
    eventually("both are out", lambda: set(live.listed()) == before)


def test_a_folder_copied_in_file_by_file_is_complete(
    live: Any, samples: list[Path], eventually: Eventually
) -> None:
    shutil.copytree(samples[0].parent, live.folder / "copied" / "deep" / "down")
    count = len(list(samples[0].parent.iterdir()))
    eventually("all are in", lambda: len(live.listed()) == 4 + count)


def test_a_file_written_in_two_parts_is_found_when_complete(
    live: Any, parrot: Path, eventually: Eventually
) -> None:
    data = parrot.read_bytes()
    with (live.folder / "half.webp").open("wb", buffering=0) as file:
        file.write(data[: len(data) // 2])
        eventually("the half is rejected", lambda: "half.webp" in live.listed("rejected"))
        file.write(data[len(data) // 2 :])
    eventually("the whole is found", lambda: live.keys("a parrot")[0] == "half.webp")
    assert live.listed("rejected") == {}


def test_a_broken_file_is_reported(live: Any, parrot: Path, eventually: Eventually) -> None:
    (live.folder / "broken.webp").write_bytes(parrot.read_bytes()[:1000])
    eventually(
        "the broken file is reported", lambda: any("broken.webp" in line for line in live.err)
    )


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>.jpg",
        "naïve café – 日本語 🦜.webp",
        "a+b %41 #1?&;=.webp",
        "-rf.webp",
        "x" * 200 + ".webp",
        "quote'\"back\\slash.webp",
    ],
)
def test_every_name_that_a_file_can_have_is_a_key(
    name: str, live: Any, parrot: Path, eventually: Eventually
) -> None:
    shutil.copyfile(parrot, live.folder / name)
    eventually("it is found", lambda: live.keys("a parrot")[0] == name)
    (found,) = live.get("/v1/search", q="a parrot", limit=1)["hits"]
    assert live.fetch(found["url"]) == parrot.read_bytes()


def test_hidden_files_are_not_indexed(live: Any, parrot: Path, eventually: Eventually) -> None:
    (live.folder / ".cache").mkdir()
    shutil.copyfile(parrot, live.folder / ".cache" / "thumbnail.webp")
    shutil.copyfile(parrot, live.folder / ".partial.webp")
    shutil.copyfile(parrot, live.folder / "seen.webp")
    eventually("the visible one is found", lambda: "seen.webp" in live.listed())
    assert len(live.listed()) == 5


def test_a_restart_reads_only_the_files_changed_since(stoppable: Any, parrot: Path) -> None:
    assert stoppable.stop(signal.SIGINT) == 0
    shutil.copyfile(parrot, stoppable.folder / "while-it-slept.webp")
    (stoppable.folder / "animals" / "cow.webp").unlink()
    stoppable.start().ready()
    stoppable.wait_for_message("1 indexed, 3 unchanged, 1 deleted")
    assert stoppable.keys("a parrot")[0] == "while-it-slept.webp"
    assert "animals/cow.webp" not in stoppable.listed()


def test_a_killed_server_restarts_without_loss(stoppable: Any) -> None:
    stoppable.stop(signal.SIGKILL)
    stoppable.start().ready()
    stoppable.wait_for_message("4 unchanged")
    assert len(stoppable.listed()) == 4


def test_a_server_killed_during_initial_indexing_resumes(
    samples: list[Path], serve: Serve, eventually: Eventually
) -> None:
    serving = serve(samples[0].parents[1]).start()
    eventually("indexing has started", serving.has_results)
    serving.stop(signal.SIGKILL)
    serving.start().ready()
    assert len(serving.listed()) == len(samples)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_without_a_traceback(stoppable: Any, by: signal.Signals) -> None:
    assert stoppable.stop(by) == 0
    assert stoppable.out == [f"ready {stoppable.url}\n"]
    assert "Traceback" not in "".join(stoppable.err), "".join(stoppable.err)


def test_a_signal_during_initial_indexing_ends_the_server_without_a_traceback(
    samples: list[Path], serve: Serve, eventually: Eventually
) -> None:
    serving = serve(samples[0].parents[1]).start()
    eventually("indexing has started", serving.has_results)
    assert serving.stop(signal.SIGINT) == 0
    assert "Traceback" not in "".join(serving.err), "".join(serving.err)
