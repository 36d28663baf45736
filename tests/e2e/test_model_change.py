"""The model of a served folder changes by the button of the page, and a refused model is not used.

A server on this machine stands for the hub. It serves the starter model under the name of CLIP.
"""

import json
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from local.models.installed import CACHE
from local.models.sources import CATALOG, SOURCE
from tests.support.model_switch import running
from tests.support.models.model_hub import publish, starter_as
from tests.support.paths import REPOSITORY, STARTER_MODEL
from tests.support.servers.file_server import FileServer
from tests.support.waiting import PATIENCE_SECONDS, run
from tests.unit.models.conftest import small_clip  # noqa: F401 - a fixture

NAME = "clip-vit-b-32"
Eventually = Callable[..., None]


@pytest.fixture
def hub() -> Iterator[FileServer]:
    made = FileServer()
    with made.running():
        yield made


@pytest.fixture
def serving(few: Path, serve: Callable[[Path], Any]) -> Any:
    made = serve(few)
    made.command = [sys.executable, REPOSITORY / "tests/support/models/quick_self_test.py"]
    return made


def environment(hub: FileServer, folder: Path) -> dict[str, str]:
    return {SOURCE: hub.url, CATALOG: str(folder / "catalog"), CACHE: str(folder / "cache")}


def test_the_button_of_the_page_changes_the_model_while_searches_are_answered(
    few: Path,
    samples: list[Path],
    serving: Any,
    hub: FileServer,
    page: Page,
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    publish(tmp_path / "catalog", starter_as(NAME), STARTER_MODEL, hub)
    variables = environment(hub, tmp_path)
    serving.start(**variables).ready()
    answers: list[tuple[str, str]] = []

    def search(stop: threading.Event) -> None:
        while not stop.wait(0.3):
            answer = httpx.get(
                f"{serving.url}/v1/search?q=the+eiffel+tower", timeout=PATIENCE_SECONDS
            )
            found = answer.raise_for_status().json()
            answers.append((found["model"], found["hits"][0]["key"]))

    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(f"{serving.url}/?q=an+owl")
    page.get_by_role("button", name="Better model").click()
    button = page.get_by_role("button", name=re.compile(r"^Use CLIP \(\d+ MB\)$"))
    expect(button).to_be_visible()
    hub.responding.clear()
    with running(search):
        button.click()
        expect(page.get_by_role("status").filter(has_text="Downloading CLIP")).to_be_visible()
        expect(button).to_be_hidden()
        parrot = next(path for path in samples if "parrot" in path.name)
        shutil.copyfile(parrot, few / "parrot.webp")
        hub.responding.set()
        expect(page.locator("#change-text")).to_have_text("Now searching with CLIP")
        eventually("CLIP answers", lambda: answers[-1][0] == NAME)
    assert {model for model, _ in answers} == {"starter", NAME}
    assert {key for _, key in answers} == {"landmarks/eiffel-tower.webp"}
    expect(page.locator("#state")).to_contain_text(f"5 images · model {NAME}")
    expect(page.locator("#grid .hit").first).to_have_attribute("data-key", "animals/owl.webp")
    assert "next_model" not in serving.get("/v1/health")
    assert f"{NAME}: finds the right photo" in "".join(serving.err)

    shutil.copyfile(parrot, few / "again.webp")
    eventually("changes are indexed", lambda: "again.webp" in serving.keys("a parrot")[:2])
    serving.stop()
    serving.start(**variables).ready()
    assert serving.get("/v1/health")["model"] == NAME


def test_a_refused_model_leaves_the_starter_model(
    serving: Any,
    hub: FileServer,
    small_clip: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    manifest = json.loads((small_clip / "manifest.json").read_text()) | {"name": NAME}
    publish(tmp_path / "catalog", manifest, small_clip, hub)
    serving.start("--model", NAME, "--yes", **environment(hub, tmp_path)).ready()
    printed = "".join(serving.err)
    assert "captions, fewer than 25%" in printed
    assert "searching with starter" in printed
    assert serving.keys("an owl")[0] == "animals/owl.webp"
    assert serving.get("/v1/health")["model"] == "starter"
    assert not list((tmp_path / "cache/models").glob("[!.]*"))


def test_make_run_passes_the_model_with_consent() -> None:
    named = run(["make", "--dry-run", "run", f"MODEL={NAME}"], cwd=REPOSITORY).stdout
    assert f'--model "{NAME}" --yes' in named
    assert "--yes" not in run(["make", "--dry-run", "run"], cwd=REPOSITORY).stdout
