"""The model of a served folder is replaced while requests are answered.

The starter model is replaced by the same graphs with other preprocessing, whose index is another.
"""

import gc
import io
import json
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from imagesearch import bootstrap
from imagesearch.domain.errors import ConfigurationError
from local.model_switch.served_folder import ServedFolder
from local.model_switch.switch import Stopped
from local.models.installed import model_folder
from local.sync.reconcile import activate
from local.workspace import Workspace, workspace_of
from tests.support.model_switch import running
from tests.support.paths import SAMPLES
from tests.unit.local.conftest import Get

pytestmark = pytest.mark.slow

Eventually = Callable[..., None]
VARIABLES = (
    "BUCKET",
    "INDEX_URL",
    "DERIVED_URI",
    "MODEL_URI",
    "OWN_FOLDERS",
    "QUEUE_URL",
    "REVISIT_QUEUE_URL",
    "REUSE_FROM",
    "POWERTOOLS_METRICS_DISABLED",
    "POWERTOOLS_TRACE_DISABLED",
)
FEW = ("animals/owl.webp", "animals/cow.webp", "objects/pencil.webp")


@pytest.fixture
def workspace(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    for name in FEW:
        shutil.copyfile(SAMPLES / name, folder / Path(name).name)
    return workspace_of(folder, tmp_path / "data")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def served(workspace: Workspace, console: Console) -> Iterator[ServedFolder]:
    made = ServedFolder(activate(workspace, "starter"), console, "http://here")
    made.start()
    yield made
    made.stop()


def no_progress(*_: Any) -> None:
    pass


def test_the_model_is_replaced_while_requests_are_answered(
    served: ServedFolder,
    workspace: Workspace,
    stretched_model: Path,
    call: Get,
    eventually: Eventually,
) -> None:
    starter = str(model_folder("starter", workspace.directory))
    replaced = weakref.ref(bootstrap.image_encoder(starter))
    answers: list[tuple[str, int]] = []
    seen: list[str] = []

    def search(stop: threading.Event) -> None:
        while not stop.wait(0.005):
            found = json.loads(call(served.gateway, "/v1/search?q=an+owl&limit=9").body)
            answers.append((found["model"], len(found["hits"])))

    def change(state: str, done: int, total: int | None, message: str) -> None:
        """Change the folder in the middle: one image more, one less, one with other content."""
        if not seen and not message:
            shutil.copyfile(SAMPLES / "objects/igloo.webp", workspace.folder / "new.webp")
            (workspace.folder / "cow.webp").unlink()
            shutil.copyfile(SAMPLES / "animals/pig.webp", workspace.folder / "pencil.webp")
        if not message:
            seen.append(state)

    eventually("it is ready", lambda: b'"images":3' in call(served.gateway, "/v1/health").body)
    first = json.loads(call(served.gateway, "/v1/search?q=an+owl&limit=1").body)
    with running(search):
        images = served.switch(str(stretched_model), change)
        eventually("the new model answers", lambda: answers and answers[-1][0] == "stretched")
    assert images == 3
    assert served.model == str(stretched_model)
    assert {model for model, _ in answers} == {"starter", "stretched"}
    assert min(hits for _, hits in answers) >= 2

    def matches() -> bool:
        found = json.loads(call(served.gateway, "/v1/images").body)["images"]
        return {each["key"] for each in found} == {"owl.webp", "new.webp", "pencil.webp"}

    eventually("every change is in the new index", matches)
    cursor = first["cursor"]
    refused = call(served.gateway, f"/v1/search?q=an+owl&limit=1&cursor={cursor}")
    assert refused.status.startswith("400")
    assert json.loads(refused.body)["error"]["code"] == "invalid_cursor"
    kept = workspace_of(workspace.folder, workspace.directory.parent)
    assert (kept.model, kept.next_model, kept.switching) == (str(stretched_model), None, False)

    gc.collect()
    assert replaced() is None
    shutil.copyfile(SAMPLES / "objects/pillow.webp", workspace.folder / "later.webp")
    eventually(
        "changes reach the new index",
        lambda: "later.webp" in call(served.gateway, "/v1/images").body.decode(),
    )


def test_a_change_that_is_stopped_is_recorded_and_the_old_model_stays(
    served: ServedFolder, workspace: Workspace, stretched_model: Path, call: Get
) -> None:
    def stop(state: str, done: int, total: int | None, message: str) -> None:
        if not message:
            raise Stopped

    with pytest.raises(Stopped):
        served.switch(str(stretched_model), stop)
    assert served.model == "starter"
    assert json.loads(call(served.gateway, "/v1/search?q=an+owl").body)["model"] == "starter"
    kept = workspace_of(workspace.folder, workspace.directory.parent)
    assert (kept.model, kept.next_model, kept.switching) == ("starter", str(stretched_model), True)


def test_a_model_that_cannot_be_loaded_leaves_the_old_one(
    served: ServedFolder, stretched_model: Path, tmp_path: Path, call: Get
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(stretched_model, broken)
    (broken / "text.onnx").write_bytes(b"no graph")
    with pytest.raises(ConfigurationError):
        served.switch(str(broken), no_progress)
    assert served.install(str(stretched_model), no_progress) == ""
    manifest = json.loads((broken / "manifest.json").read_text())
    del manifest["relevance"]
    (broken / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ConfigurationError, match=r"text\.onnx has 8 bytes instead of"):
        served.install(str(broken), no_progress)
    assert json.loads(call(served.gateway, "/v1/search?q=an+owl").body)["model"] == "starter"
