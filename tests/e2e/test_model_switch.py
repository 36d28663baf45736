"""The index of another model is filled by `reindex`, and used by a later start of the server."""

import shutil
import signal
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.embedding.manifest import load_manifest
from tests.support.waiting import PATIENCE_SECONDS

Eventually = Callable[..., None]
Serve = Callable[[Path], Any]


@pytest.fixture
def status(eventually: Eventually) -> Callable[..., None]:
    """Waits until `reindex --status` exits with a status and prints given words."""

    def wait_for_status(serving: Any, code: int, *words: str) -> None:
        def matches() -> bool:
            done = serving.run("reindex", "--status")
            return done.returncode == code and all(word in done.stdout for word in words)

        eventually(f"the status is {code}: {words}", matches)

    return wait_for_status


def test_a_model_is_switched_while_the_folder_is_served(
    few: Path,
    samples: list[Path],
    serve: Serve,
    stretched_model: Path,
    status: Callable[..., None],
    eventually: Eventually,
) -> None:
    live = serve(few).start().ready()
    status(live, 0, "current", "4 of 4: consistent")

    follower = live.start_command("reindex", few, "--model", stretched_model, "--follow")
    try:
        assert follower.stdout.readline().startswith("ready")
        parrot = next(path for path in samples if "parrot" in path.name)
        shutil.copyfile(parrot, few / "parrot.webp")
        (few / "animals" / "cow.webp").unlink()
        status(live, 0, "current", "next", "4 of 4: consistent")
        assert live.keys("a parrot")[0] == "parrot.webp"
        assert live.get("/v1/health")["model"] == "starter"
    finally:
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(PATIENCE_SECONDS) == 0
        follower.stdout.close()

    # Without the follower the new index becomes outdated; the server updates it, then switches.
    shutil.copyfile(parrot, few / "again.webp")
    status(live, 1, "5 of 5: consistent", "4 of 5: 1 pending (again.webp)")
    assert live.run("reindex", "--drop-old").stdout == ""
    live.stop()
    live.start("--model", stretched_model).ready()
    eventually("it switches", lambda: live.get("/v1/health")["model"] == "stretched")
    status(live, 0, "current", "5 of 5: consistent")
    assert live.get("/v1/search", q="a parrot")["model"] == "stretched"

    dropped = live.run("reindex", "--drop-old")
    assert dropped.returncode == 0
    assert dropped.stdout.startswith("dropped images-")
    assert set(live.keys("a parrot")[:2]) == {"again.webp", "parrot.webp"}


def test_a_killed_reindex_resumes(
    tmp_path: Path,
    samples: list[Path],
    serve: Serve,
    stretched_model: Path,
    eventually: Eventually,
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    # Enough for it to be killed in time; bytes after the end of an image make another file of it.
    for sample, number in product(samples, range(3)):
        file = folder / f"{number} {sample.parent.name} {sample.name}"
        file.write_bytes(sample.read_bytes() + b"\0" * number)
    idle = serve(folder)
    assert idle.run("index", folder).returncode == 0

    filling = idle.start_command("reindex", folder, "--model", stretched_model)
    [file] = idle.data_dir.glob("many-*/index.db")
    manifest = load_manifest(stretched_model)
    index = SqliteIndex(file, f"images-{manifest.image_space}", manifest.dimension)
    eventually("some images are in the new index", lambda: index.health().images > 0)
    filling.kill()
    filling.wait()
    filling.stdout.close()
    has_results = index.health().images
    count = len(list(folder.iterdir()))
    assert 0 < has_results < count

    resumed = idle.run("reindex", folder, "--model", stretched_model)
    assert resumed.returncode == 0, resumed.stderr
    assert f"{count - has_results} indexed, {has_results} unchanged" in resumed.stderr
    assert idle.run("reindex", "--status").returncode == 0
    index.close()


def test_no_index_is_dropped_while_the_active_one_is_incomplete(
    few: Path, samples: list[Path], serve: Serve, stretched_model: Path
) -> None:
    idle = serve(few)
    idle.run("index", few, "--model", stretched_model)
    idle.run("index", few)
    shutil.copyfile(samples[0], few / "late.webp")
    failed = idle.run("reindex", "--drop-old")
    assert failed.returncode == 2
    assert "no index was dropped" in failed.stderr
    assert "1 pending (late.webp)" in failed.stderr
    assert idle.run("search", "an owl", "--all", "--model", stretched_model).returncode == 0


def test_an_abandoned_switch_leaves_no_index(
    few: Path, serve: Serve, stretched_model: Path
) -> None:
    idle = serve(few)
    idle.run("index", few)
    idle.run("reindex", few, "--model", stretched_model)
    assert idle.run("reindex", "--drop-old").stdout == ""
    assert "nothing to build" in idle.run("reindex", "--model", "starter").stderr
    assert idle.run("reindex", "--drop-old").stdout.count("dropped images-") == 1
    assert idle.run("reindex", "--status").stdout.count("current") == 1
