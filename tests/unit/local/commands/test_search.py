"""`imagesearch search` accepts every indexable file, and reports errors in terms of files."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from imagesearch.domain.images import ImageRef
from local.running_server import announced
from local.workspace import workspace_of
from tests.support.servers.scripted_server import Response, ScriptedServer

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]
API_WORDS = ("GET ", "POST ", "openapi", "bucket", " q:")


@pytest.fixture
def indexed(run: Run, folder: Path) -> Path:
    """An indexed red image and an indexed blue one."""
    for name, color in (("red.png", "red"), ("blue.png", "blue")):
        Image.new("RGB", (64, 64), color).save(folder / name)
    assert run("index", str(folder)).returncode == 0
    return folder


def test_a_photo_over_the_limit_of_the_api_can_be_searched(
    run: Run, indexed: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "phone.bmp"
    Image.new("RGB", (1800, 1200), "red").save(photo)
    assert photo.stat().st_size > 4_500_000
    done = run("search", "--image", str(photo), "--limit", "1", "--json")
    assert json.loads(done.stdout)["key"] == "red.png"


def test_a_hit_in_json_names_the_file(run: Run, indexed: Path) -> None:
    done = run("search", "red", "--all", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {hit["path"] for hit in found} == {str(path) for path in indexed.iterdir()}
    assert all("url" not in hit and hit["width"] == 64 for hit in found)


def test_a_query_in_another_language_is_answered_with_a_notice(run: Run, indexed: Path) -> None:
    done = run("search", "ein roter Apfel", "--all", "--json")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert "starter understands English only. The model " in done.stderr
    assert "notice" not in run("search", "a red apple").stderr


def test_a_hit_in_the_table_names_the_key(run: Run, indexed: Path) -> None:
    done = run("search", "red", "--all", "--limit", "1")
    assert done.stdout.splitlines()[0].split("\t")[2] in {"red.png", "blue.png"}


def test_less_relevant_hits_are_excluded(run: Run, indexed: Path, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "query.png")
    everything = run("search", "--image", str(tmp_path / "query.png"), "--all", "--json")
    relevances = [json.loads(line)["relevance"] for line in everything.stdout.splitlines()]
    assert relevances == sorted(relevances, reverse=True)
    least = str(sum(relevances) / 2)
    kept = run("search", "--image", str(tmp_path / "query.png"), "--min-relevance", least)
    [line] = kept.stdout.splitlines()
    assert line.split() == [f"{relevances[0]:.2f}", "1.000", "red.png"]


@pytest.mark.parametrize("least", ["-0.1", "1.5", "much"])
def test_a_relevance_outside_0_to_1_is_rejected(run: Run, indexed: Path, least: str) -> None:
    done = run("search", "red", "--min-relevance", least)
    assert done.returncode == 2
    assert "--min-relevance" in done.stderr


@pytest.mark.parametrize("text", ["", "  ", "a" * 2_001], ids=len)
def test_text_of_an_invalid_length_is_rejected_without_api_terms(
    run: Run, indexed: Path, text: str
) -> None:
    done = run("search", text)
    assert done.returncode == 2
    assert f"the text has {len(text)} characters; send 1 to 2,000 characters" in done.stderr
    assert not any(word in done.stderr for word in API_WORDS)


def test_a_file_over_the_limit_is_rejected_with_a_hint(
    run: Run, indexed: Path, tmp_path: Path
) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(64 * 2**20 + 1)
    done = run("search", "--image", str(tmp_path / "huge.jpg"))
    assert done.returncode == 2
    assert "67,108,864 bytes: save a smaller copy" in done.stderr
    assert not any(word in done.stderr for word in API_WORDS)


def test_a_file_that_is_not_an_image_is_rejected(run: Run, indexed: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# not a picture")
    done = run("search", "--image", str(tmp_path / "notes.md"))
    assert done.returncode == 2
    assert "not an image" in done.stderr
    assert not any(word in done.stderr for word in API_WORDS)


HIT = {"id": "1", "key": "red.png", "score": 0.9, "relevance": 0.8, "url": "/files/red.png"}


def response(*relevances: float | None) -> Response:
    hits = [{**HIT, "thumbnail_url": None, "relevance": each} for each in relevances]
    return Response(text=json.dumps({"hits": hits}), headers={"Content-Type": "application/json"})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server whose hit is in no index."""
    made = ScriptedServer(certified=None)
    made.answer = response(0.8)
    yield made
    made.stop()


@pytest.mark.parametrize("command", ["search", "similar"])
@pytest.mark.parametrize("output", [(), ("--json",), ("--paths",), ("--open",)], ids=str)
def test_weak_hits_are_no_match_in_every_form_of_output(
    run: Run, server: ScriptedServer, tmp_path: Path, command: str, output: tuple[str, ...]
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    address = f"http://localhost:{server.port}"
    words = {"search": ["search", "asdfgh"], "similar": ["similar", "red.png"]}[command]

    server.answer = response(0.49, 0.1)
    weak = run(*words, *output, "--endpoint", address)
    assert (weak.returncode, weak.stdout) == (1, "")
    assert f"no good match in {address}; 2 weaker: --all" in weak.stderr

    if output == ("--open",):  # it would open a browser
        return
    for option in (["--all"], ["--min-relevance", "0.1"]):
        shown = run(*words, *output, *option, "--endpoint", address)
        assert (shown.returncode, len(shown.stdout.splitlines())) == (0, 2)
    server.answer = response(None, None)
    uncalibrated = run(*words, *output, "--endpoint", address)
    assert (uncalibrated.returncode, len(uncalibrated.stdout.splitlines())) == (0, 2)


def test_all_and_a_minimum_exclude_each_other(run: Run, indexed: Path) -> None:
    done = run("search", "red", "--all", "--min-relevance", "0.1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "give --all or --min-relevance, not both" in done.stderr


def test_a_running_server_of_the_folder_answers(
    run: Run, indexed: Path, tmp_path: Path, server: ScriptedServer
) -> None:
    workspace = workspace_of(indexed, tmp_path / ".imagesearch")
    with announced(workspace.directory, f"http://localhost:{server.port}"):
        done = run("search", "red", "--all", "--json")
        assert run("search", "red", "--all", "--json", "--model", "starter").stdout != done.stdout
    [hit] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (hit["score"], hit["path"]) == (0.9, str(indexed / "red.png"))
    assert not {"url", "thumbnail_url"} & set(hit)
    assert len(server.seen) == 1


def test_a_server_that_rejects_the_search_is_not_needed(
    run: Run, indexed: Path, tmp_path: Path, server: ScriptedServer
) -> None:
    server.answer = Response(403, "{}")
    workspace = workspace_of(indexed, tmp_path / ".imagesearch")
    with announced(workspace.directory, f"http://localhost:{server.port}"):
        done = run("search", "red", "--all", "--json")
    assert len(server.seen) == 1
    assert len(done.stdout.splitlines()) == 2


def test_records_are_listed_and_shown_and_similar_images_are_found(
    run: Run, indexed: Path, tmp_path: Path
) -> None:
    listed = run("list", "--paths").stdout.splitlines()
    assert listed == [str(indexed / "blue.png"), str(indexed / "red.png")]
    shown = json.loads(run("show", "red.png", "--json").stdout)
    assert (shown["key"], shown["width"], shown["status"]) == ("red.png", 64, "indexed")
    for name in ("red.png", str(indexed / "red.png"), shown["id"]):
        assert run("similar", name, "--paths").stdout.splitlines() == [str(indexed / "blue.png")]
    [status] = [json.loads(line) for line in run("status", "--json").stdout.splitlines()]
    assert (status["folder"], status["images"], status["model"]) == (str(indexed), 2, "starter")
    missing = run("show", "green.png")
    assert (missing.returncode, "run `imagesearch list`" in missing.stderr) == (2, True)


def test_an_id_that_begins_with_a_dash_is_an_image(run: Run, folder: Path) -> None:
    names = (f"{number}.png" for number in range(10_000))
    named = {name: ImageRef(folder.as_uri(), name).id for name in names}
    name, id = next(each for each in named.items() if each[1].startswith("-"))
    for number, each in enumerate((name, "other.png")):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(folder / each)
    assert run("index", str(folder)).returncode == 0
    for line in (("show", id, "--json"), ("show", "--folder", str(folder), id, "--json")):
        assert json.loads(run(*line).stdout)["key"] == name
    assert run("similar", "--all", id, "--paths").stdout == f"{folder / 'other.png'}\n"


def test_an_image_that_is_not_searchable_is_named_as_it_was_given(run: Run, indexed: Path) -> None:
    (indexed / "new.png").write_bytes(b"")
    for name in ("new.png", str(indexed / "new.png"), "none.png"):
        done = run("similar", name)
        assert done.returncode == 2
        assert f"{indexed} has no searchable image {name!r}" in done.stderr
        assert "imagesearch list --rejected" in done.stderr


def test_a_mixture_and_a_filter_limit_the_hits(run: Run, indexed: Path) -> None:
    image = ("--image", str(indexed / "red.png"))
    done = run("search", "red", *image, "--not", "blue", "--min-width", "64", "--paths")
    assert done.stdout.splitlines()[0] == str(indexed / "red.png")
    nothing = run("search", "red", "--min-width", "65")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert f"no hits in {indexed}" in nothing.stderr
