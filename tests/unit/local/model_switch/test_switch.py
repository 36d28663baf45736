"""One change of the model at a time runs in a thread, and reports its progress or its failure."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from imagesearch.domain.errors import ModelRefused, Unavailable
from imagesearch.domain.ports import NextModel
from local.model_switch.switch import ModelSwitch, Progress, progress_text
from local.web.models import SwitchInProgress

Eventually = Callable[..., None]
CLIP = "clip-vit-b-32"


@dataclass
class FakeFolder:
    """Its change waits for `proceed` after the first report of each step."""

    model: str = "starter"
    errors: list[Exception] = field(default_factory=list)
    proceed: threading.Event = field(default_factory=threading.Event)
    filled: int = 0

    def install(self, name: str, progress: Progress) -> str:
        progress("downloading", 45_000_000, 156_000_000, "")
        while not self.proceed.wait(0.01):
            progress("downloading", 45_000_000, 156_000_000, "")
        if self.errors:
            raise self.errors.pop(0)
        return f"{name} is calibrated"

    def switch(self, name: str, progress: Progress) -> int:
        progress("indexing", 1, 27, "")
        self.filled += 1
        self.model = name
        return 27


@pytest.fixture
def folder() -> FakeFolder:
    return FakeFolder()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def switch(folder: FakeFolder, lines: list[str]) -> Iterator[ModelSwitch]:
    made = ModelSwitch(folder, lines.append, clock=lambda: 100.0)
    yield made
    made.stop()


def test_a_change_reports_its_steps_and_ends_without_a_status(
    switch: ModelSwitch, folder: FakeFolder, lines: list[str], eventually: Eventually
) -> None:
    assert switch.status() is None
    switch.start(CLIP)
    downloading = NextModel(CLIP, "downloading", 45_000_000, 156_000_000)
    eventually("it downloads", lambda: switch.status() == downloading)
    folder.proceed.set()
    eventually("it is done", lambda: switch.status() is None)
    assert switch.model == CLIP
    assert lines == [
        f"{CLIP}: downloading, 45 of 156 MB",
        f"{CLIP} is calibrated",
        f"{CLIP}: indexing, 1 of 27 images",
        f"now searching with {CLIP}: 27 images",
    ]


@pytest.mark.parametrize(
    "error",
    [
        ModelRefused("it finds nothing", "--accept installs it"),
        Unavailable("cannot download it", "check the network"),
    ],
)
def test_a_failure_keeps_the_model_and_states_the_reason(
    switch: ModelSwitch,
    folder: FakeFolder,
    lines: list[str],
    eventually: Eventually,
    error: Exception,
) -> None:
    folder.errors = [error]
    folder.proceed.set()
    switch.start(CLIP)
    eventually("it fails", lambda: (switch.status() or NextModel("", "")).state == "failed")
    status = switch.status()
    assert status
    assert status.message == f"{error}; {error.hint}"  # type: ignore[attr-defined]
    assert switch.model == "starter"
    assert folder.filled == 0
    eventually("it is printed", lambda: lines[-1] == "searches continue with starter")
    assert lines[-2] == status.message

    switch.start(CLIP)
    eventually("the next attempt succeeds", lambda: switch.model == CLIP)


def test_an_unexpected_error_is_a_failure(
    switch: ModelSwitch, folder: FakeFolder, eventually: Eventually
) -> None:
    folder.errors = [OSError("the disk is broken")]
    folder.proceed.set()
    switch.start(CLIP)
    eventually("it fails", lambda: "broken" in (switch.status() or NextModel("", "")).message)


def test_a_second_model_is_refused_and_the_same_one_is_already_started(
    switch: ModelSwitch, folder: FakeFolder
) -> None:
    switch.start(CLIP)
    assert switch.start(CLIP).name == CLIP
    with pytest.raises(SwitchInProgress, match=CLIP):
        switch.start("siglip")
    folder.proceed.set()


def test_a_stop_ends_the_change_without_a_failure(
    switch: ModelSwitch, folder: FakeFolder, eventually: Eventually, lines: list[str]
) -> None:
    switch.start(CLIP)
    eventually("it downloads", lambda: lines)
    switch.stop()
    assert folder.model == "starter"
    assert folder.filled == 0
    assert not [line for line in lines if "continue" in line]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (NextModel("m", "testing", 410, 2146), "m: testing, 410 of 2,146"),
        (NextModel("m", "indexing", 0, None, "no disk"), "m: indexing, 0 images (no disk)"),
        (NextModel("m", "downloading", 1_500_000, None), "m: downloading, 2 MB"),
    ],
)
def test_progress_is_one_line(status: NextModel, text: str) -> None:
    assert progress_text(status) == text
