"""Waits depend on progress, and no test fails because the machine is slow."""

import ast
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.support import waiting
from tests.support.paths import REPOSITORY, TESTS
from tests.support.waiting import PATIENCE_SECONDS, eventually, run

ASKING = {"get", "post", "put", "delete", "head", "patch", "request", "stream", "Client"}
WAITING = {"wait", "join", "communicate", "wait_procs"}


class Clock:
    """A clock that advances only by sleeping, in steps of a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _: float) -> None:
        self.now += 1


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def test_a_wait_ends_when_the_condition_holds(clock):
    eventually("it is later", lambda: clock.now > 100)
    assert clock.now == 101


def test_a_wait_without_progress_fails_and_names_its_condition(clock):
    with pytest.raises(AssertionError, match="not within 600 s: pigs fly"):
        eventually("pigs fly", lambda: False)
    assert clock.now == PATIENCE_SECONDS


def test_a_wait_continues_while_there_is_progress(clock):
    """The wait lasts ten times as long as without progress."""
    eventually(
        "all is done",
        lambda: clock.now > 10 * PATIENCE_SECONDS,
        progress=lambda: clock.now // (PATIENCE_SECONDS / 2),
    )


def test_a_short_wait_lasts_at_least_the_default_timeout(clock):
    eventually("it is done on a slow machine", lambda: clock.now > 300, 10)


@pytest.mark.slow
def test_the_result_of_a_process_is_its_output():
    done = run([sys.executable, "-c", "import sys; print(1); sys.exit('two')"])
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "two\n", 1)


@pytest.mark.slow
def test_a_process_that_hangs_is_killed(clock):
    line = [sys.executable, "-c", "import time; time.sleep(1e6)"]
    before = psutil.Process().children()
    with pytest.raises(AssertionError, match="not within 600 s"):
        run(line)
    assert psutil.Process().children() == before


def test_no_test_timeout_is_a_literal():
    found = {
        path.relative_to(TESTS).as_posix(): lines
        for path in sorted(TESTS.rglob("*.py"))
        if (lines := list(literal_timeouts(path.read_text("utf-8"))))
    }
    assert found == {}, "pass PATIENCE_SECONDS of tests/support/waiting.py, or use `eventually`"


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run(line, timeout=60)",
        "httpx.get(url, timeout=30)",
        "httpx.get(url)",
        "httpx.Client(base_url=url)",
        "process.wait(20)",
        "thread.join(5)",
        "socket.create_connection(address, 10)",
    ],
)
def test_a_literal_timeout_is_found(source):
    assert list(literal_timeouts(source)) == [1]


@pytest.mark.parametrize(
    "source",
    [
        "subprocess.run(line, timeout=PATIENCE_SECONDS)",
        "httpx.get(url, timeout=PATIENCE_SECONDS)",
        "httpx.Client(transport=transport)",
        "thread.join()",
        "', '.join(names)",
        "stop.wait(0.02)",
    ],
)
def test_a_named_timeout_is_not_reported(source):
    assert not list(literal_timeouts(source))


def test_neither_tests_nor_screenshots_poll_by_a_script_in_the_page():
    """The page's security policy blocks its second evaluation; `expect` polls from outside."""
    polled = "wait_for_" + "function"
    files = [*TESTS.rglob("*.py"), *(REPOSITORY / "docs").rglob("*.py")]
    assert [path for path in files if polled in path.read_text("utf-8")] == []


def literal_timeouts(source: str) -> Iterator[int]:
    """The lines of calls with a literal timeout, or with the default of five seconds of httpx."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (_bounded(node) or _uses_default_timeout(node)):
            yield node.lineno


def _bounded(call: ast.Call) -> bool:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    name = getattr(call.func, "attr", "")
    if name in WAITING and call.args:
        return _seconds(call.args[-1])
    if name == "create_connection" and len(call.args) > 1:
        return _seconds(call.args[1])
    return "timeout" in given and _seconds(given["timeout"])


def _seconds(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Constant)
        and isinstance(value.value, int | float)
        and value.value >= 1
    )


def _uses_default_timeout(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id="httpx"), attr=name) if name in ASKING:
            return not {"timeout", "transport"} & {keyword.arg for keyword in call.keywords}
    return False
