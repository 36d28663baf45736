"""The real command in a separate process, and a real browser."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.page.browsing import COPY
from tests.support.forked_commands import ForkedCommands
from tests.support.paths import SAMPLES
from tests.support.waiting import PATIENCE_SECONDS

FEW = (
    "animals/owl.webp",
    "animals/cow.webp",
    "landmarks/eiffel-tower.webp",
    "objects/white-chair.webp",
)
COMMAND = Path(sys.executable).with_name("imagesearch")
# The headless shell has the same engine, and takes half of the CPU time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    " --disable-sync --no-first-run"
).split()

Eventually = Callable[..., None]


class Serving:
    """`imagesearch serve FOLDER`, started and stopped as a user would."""

    def __init__(
        self, folder: Path, data_dir: Path, eventually: Eventually, commands: ForkedCommands
    ) -> None:
        self.folder = folder
        self._commands = commands
        self.url = ""
        self.data_dir = data_dir
        self.command: list[str | Path] = [COMMAND]
        self._eventually = eventually
        self._process: subprocess.Popen[str] | None = None
        self.out: list[str] = []
        self.err: list[str] = []

    def start(self, *options: object, **environment: str) -> "Serving":
        """Start the server without waiting for `ready`."""
        self.out, self.err, self.url = [], [], ""
        given, port = map(str, options), ("--port", "0")
        self._process = subprocess.Popen(
            [*self.command, "serve", self.folder, *port, "--data-dir", self.data_dir, *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        for stream, lines in ((self._process.stdout, self.out), (self._process.stderr, self.err)):
            threading.Thread(target=_read, args=(stream, lines), daemon=True).start()
        return self

    def ready(self) -> "Serving":
        self._eventually(
            "it is ready",
            lambda: self.out or self.status is not None,
            progress=lambda: (len(self.err), self._done()),
        )
        assert self.out, "".join(self.err)
        self.url = self.out[0].removeprefix("ready ").strip()
        return self

    def wait_for_message(self, text: str) -> None:
        """Wait until a line of stderr contains the text; it may be read after `ready` of stdout."""
        self._eventually(f"it prints {text!r}", lambda: any(text in line for line in self.err))

    @property
    def started(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def status(self) -> int | None:
        assert self._process
        return self._process.poll()

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Stop the server and return its exit status."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(by)
        return self._process.wait(PATIENCE_SECONDS)

    def run(self, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run another command on the same data directory."""
        line = [command, *map(str, arguments), "--data-dir", str(self.data_dir)]
        return self._commands.run(line, self.data_dir)

    def start_command(self, command: str, *arguments: object) -> subprocess.Popen[str]:
        """Start another command on the same data directory, discarding its messages."""
        line = [COMMAND, command, *map(str, arguments), "--data-dir", self.data_dir]
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        return dict(self._answer(path, parameters).json())

    def fetch(self, url: str) -> bytes:
        return self._answer(url, {}).content

    def _answer(self, path: str, parameters: dict[str, Any]) -> httpx.Response:
        try:
            answer = httpx.get(self.url + path, params=parameters, timeout=PATIENCE_SECONDS)
        except httpx.TransportError as error:
            pytest.fail(f"{error}; it said: {''.join(self.err)}")
        assert answer.status_code == 200, answer.text
        return answer

    def has_results(self) -> bool:
        """True when the server responds and at least one image is searchable."""
        assert self.status is None, "".join(self.err)
        return self._done() > 0

    def _done(self) -> int:
        """Number of searchable images; 0 while the server does not respond."""
        for line in list(self.err):
            if " at http://" in line:
                self.url = line.rpartition(" at ")[2].strip()
        try:
            health = httpx.get(f"{self.url}/v1/health", timeout=PATIENCE_SECONDS)
            return int(health.json()["images"])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError):
            return 0

    def keys(self, text: str, limit: int = 10) -> list[str]:
        """The keys of the hits of a search, nearest first."""
        return [hit["key"] for hit in self.get("/v1/search", q=text, limit=limit)["hits"]]

    def listed(self, status: str = "indexed") -> dict[str, dict[str, Any]]:
        """All records of a status, by key."""
        found: dict[str, dict[str, Any]] = {}
        more: dict[str, str] = {}
        while True:
            page = self.get("/v1/images", status=status, **more)
            found |= {image["key"]: image for image in page["images"]}
            if not page["cursor"]:
                return found
            more = {"cursor": page["cursor"]}


def _read(stream: Any, lines: list[str]) -> None:
    with stream:
        lines.extend(stream)


@pytest.fixture(scope="module")
def serve(
    tmp_path_factory: pytest.TempPathFactory, eventually: Eventually, commands: ForkedCommands
) -> Iterator[Callable[[Path], Serving]]:
    """Creates servers with separate data directories, and stops them after the test."""
    made: list[Serving] = []

    def over(folder: Path) -> Serving:
        made.append(Serving(folder, tmp_path_factory.mktemp("data"), eventually, commands))
        return made[-1]

    yield over
    for serving in made:
        if serving.started:
            serving.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def samples() -> list[Path]:
    return sorted(SAMPLES.glob("*/*.webp"))


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder of a few distinct samples."""
    return reset_to_few(tmp_path / "few")


def reset_to_few(folder: Path) -> Path:
    """Reset the folder to exactly these samples, without touching unchanged files."""
    wanted = {folder / name: SAMPLES / name for name in FEW}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path in target.parents for target in wanted):
                path.rmdir()
        elif path not in wanted:
            path.unlink()
    for target, sample in wanted.items():
        if not target.exists() or target.read_bytes() != sample.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sample, target)
    return folder


@pytest.fixture(scope="module")
def live(serve: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server of four samples, a resized copy of one, and a broken file; changes are allowed."""
    folder = reset_to_few(tmp_path_factory.mktemp("actions") / "few")
    with Image.open(folder / "animals/owl.webp") as owl:
        owl.resize((owl.width // 2, owl.height // 2)).save(folder / COPY)
    (folder / "broken.jpg").write_text("no picture")
    return serve(folder).start("--allow-uploads", "--allow-delete").ready()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium from PATH; without it, tests are skipped except in CI."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        reason = f"none of {', '.join(BROWSERS)} is on the path: apt-get install {BROWSERS[0]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=1000 * PATIENCE_SECONDS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test on script errors and blocked content."""
    made = browser.new_page(viewport={"width": 1280, "height": 800})
    made.set_default_timeout(1000 * PATIENCE_SECONDS)
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on(
        "console",
        lambda message: errors.append(message.text) if _is_error(message.text) else None,
    )
    yield made
    made.close()
    assert errors == []


def _is_error(text: str) -> bool:
    return "Content Security Policy" in text or "Uncaught" in text


@pytest.fixture
def drop(page: Page) -> Callable[[Path, str], None]:
    """Drops a file onto the page."""

    def onto_page(file: Path, content_type: str) -> None:
        data = page.evaluate_handle(
            """([text, name, type]) => {
                const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                const data = new DataTransfer();
                data.items.add(new File([bytes], name, { type }));
                return data;
            }""",
            [b64encode(file.read_bytes()).decode(), file.name, content_type],
        )
        for kind in ("dragenter", "dragover", "drop"):
            page.dispatch_event("body", kind, {"dataTransfer": data})

    return onto_page
