"""Claims: a server applies the exclude rules, and never indexes its own data."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import PATIENCE_SECONDS

Eventually = Callable[..., None]
Serve = Callable[[Path], Any]


def status(url: str) -> int:
    return httpx.get(url, timeout=PATIENCE_SECONDS).status_code


def test_a_change_of_an_ignore_file_applies_while_the_server_runs(
    few: Path, serve: Serve, eventually: Eventually
) -> None:
    live = serve(few).start().ready()
    all_of_them = set(live.listed())
    animals = {"animals/owl.webp", "animals/cow.webp"}
    rules = few / ".imagesearchignore"
    rules.write_text("animals/\n")
    eventually("they are out", lambda: set(live.listed()) == all_of_them - animals)
    assert status(f"{live.url}/files/animals/owl.webp") == 404
    assert status(f"{live.url}/files/.imagesearchignore") == 404
    (few / "animals" / ".imagesearchignore").write_text("owl.*\n")
    rules.write_text("[a\n")
    eventually("it is reported", lambda: any("line 1, '[a'" in line for line in live.err))
    assert set(live.listed()) == all_of_them - animals
    rules.unlink()
    owl = {"animals/owl.webp"}
    eventually("one is back", lambda: set(live.listed()) == all_of_them - owl)
    assert live.fetch("/files/animals/cow.webp")


def test_leftovers_and_the_data_directory_are_never_indexed(
    few: Path, serve: Serve, samples: list[Path], eventually: Eventually
) -> None:
    live = serve(few)
    live.data_dir = few / "animals" / "index"
    live.start("--no-default-excludes", "--exclude", "*.jpg~").ready()
    before = set(live.listed())
    assert len(before) == 4
    shutil.copyfile(samples[0], few / "x.jpg~")
    shutil.copyfile(samples[1], few / ".hidden.webp")
    eventually("one is in", lambda: set(live.listed()) == before | {".hidden.webp"})
    small = next((live.data_dir).rglob("*.jpg")).relative_to(few).as_posix()
    assert status(f"{live.url}/files/{small}") == 404
    (few / "last.webp").write_bytes(samples[2].read_bytes())
    wanted = before | {".hidden.webp", "last.webp"}
    eventually("the last is in", lambda: set(live.listed()) == wanted)
    assert live.listed("rejected") == {}
