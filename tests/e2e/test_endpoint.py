"""Commands with --endpoint return the results of a server.

A local server with OpenSearch instead of SQLite returns the same results.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagesearch.client import ImageSearch
from tests.support.forked_commands import ForkedCommands
from tests.support.paths import STARTER_MODEL

KEY = "the key"
RunOnServer = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, samples: list[Path], serve: Callable[[Path], Any]
) -> Any:
    folder = tmp_path_factory.mktemp("served")
    for path in samples[:4]:
        (folder / path.name).write_bytes(path.read_bytes())
    return serve(folder).start("--feedback-texts", IMAGESEARCH_API_KEY=KEY).ready()


@pytest.fixture
def run_on_server(commands: ForkedCommands, server: Any, tmp_path: Path) -> RunOnServer:
    """Runs a command against the server, with an empty data directory."""

    def run_on_server(
        *line: object, key: str = KEY, url: str = ""
    ) -> subprocess.CompletedProcess[str]:
        given = [*map(str, line), "--endpoint", url or server.url]
        return commands.run(given, tmp_path, os.environ | {"IMAGESEARCH_API_KEY": key})

    return run_on_server


def test_a_search_finds_the_images_of_the_server(
    run_on_server: RunOnServer, samples: list[Path]
) -> None:
    done = run_on_server("search", "--image", samples[0], "--limit", "1", "--json")
    [hit] = [json.loads(line) for line in done.stdout.splitlines()]
    assert hit["key"] == samples[0].name
    assert hit["url"]
    table = run_on_server("search", "an animal", "--all", "--limit", "2")
    assert len(table.stdout.splitlines()) == 2


def test_records_and_the_state_of_the_server_are_shown(
    run_on_server: RunOnServer, samples: list[Path]
) -> None:
    listed = run_on_server("list", "--json")
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [row["key"] for row in rows] == sorted(each.name for each in samples[:4])
    one = rows[1]
    assert len(run_on_server("list", "--limit", "2", "--sort", "taken_at").stdout.splitlines()) == 2
    assert run_on_server("list", "--rejected").returncode == 1
    for named in (one["key"], one["id"]):
        shown = json.loads(run_on_server("show", named, "--json").stdout)
        assert (shown["id"], shown["url"][:7]) == (one["id"], "http://")
        found = run_on_server("similar", named, "--all", "--paths").stdout.splitlines()
        assert len(found) == 3
    assert f"key\t{one['key']}" in run_on_server("show", one["key"]).stdout.splitlines()
    missing = run_on_server("show", "nothing.jpg")
    assert (missing.returncode, missing.stdout) == (2, "")
    state = json.loads(run_on_server("status", "--json").stdout)
    assert (state["images"], state["status"]) == (4, "ok")
    assert "images\t4" in run_on_server("status").stdout.splitlines()


def test_an_image_is_classified_by_the_server(
    run_on_server: RunOnServer, samples: list[Path]
) -> None:
    done = run_on_server("classify", samples[0], "--labels", "an animal,a castle", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["label"] for each in found} == {"an animal", "a castle"}
    assert sum(each["score"] for each in found) == pytest.approx(1, abs=1e-4)


def test_feedback_with_texts_is_replayed_with_another_model(server: Any, tmp_path: Path) -> None:
    with ImageSearch(server.url, KEY) as api:
        found = api.search("an animal", feedback=True)
        api.feedback(found["search_id"], found["hits"][0]["id"], relevant=True)
    exported = server.run("feedback", "export", "--folder", server.folder)
    assert json.loads(exported.stdout)["query_text"] == "an animal"
    shutil.copytree(STARTER_MODEL, other := tmp_path / "other")
    options = ("--feedback", "--folder", server.folder, "--json")
    compared = server.run("models", "compare", other, *options)
    [row] = map(json.loads, compared.stdout.splitlines())
    assert (row["queries"], row["mrr"]) == (1, row["mrr_in_use"])
    assert "1 opinion, 1 image, in use: starter" in compared.stderr


def test_the_smoke_test_passes_on_the_server_of_a_folder(
    run_on_server: RunOnServer, server: Any
) -> None:
    before = sorted(server.folder.rglob("*"))
    done = run_on_server("smoke", "--bucket", server.folder, "--data-dir", server.data_dir)
    rows = dict(line.split("\t")[:2] for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stdout
    assert rows.pop("upload by form") == "skipped"
    assert set(rows.values()) == {"passed"}
    assert sorted(server.folder.rglob("*")) == before


def test_a_wrong_api_key_is_reported_with_a_hint(run_on_server: RunOnServer) -> None:
    done = run_on_server("search", "an animal", key="another")
    assert done.returncode == 2
    assert "set IMAGESEARCH_API_KEY to a key of this API" in done.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense"])
def test_a_url_without_an_api_is_reported(run_on_server: RunOnServer, url: str) -> None:
    done = run_on_server("search", "an animal", url=url)
    assert done.returncode == 2
    assert "give the address of a deployed API" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_is_indexed_and_searched_on_the_server_of_index_url(
    few: Path, serve: Callable[[Path], Any], opensearch_url: str
) -> None:
    serving = serve(few).start(INDEX_URL=opensearch_url).ready()
    health = serving.get("/v1/health")
    assert health["images"] == 4
    assert health["index"].startswith("images-")
    assert not list(serving.data_dir.glob("*/index.db"))
    assert serving.keys("an owl")[0] == "animals/owl.webp"
