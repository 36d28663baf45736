"""No test module reads a clock at import, so tests do not depend on the time of collection."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.paths import TESTS

CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def test_no_test_module_reads_a_clock_while_it_is_imported():
    found = {
        path.relative_to(TESTS).as_posix(): lines
        for path in sorted(TESTS.rglob("*.py"))
        if (lines := list(clocks_read_at_import(path.read_text("utf-8"))))
    }
    assert found == {}, "read the clock in the test or in a fixture of its own scope"


@pytest.mark.parametrize(
    "source",
    [
        "NOW = datetime.now(UTC)",
        "START = time.monotonic() + 5",
        "class Case:\n    when = date.today()",
        "def sign(when=datetime.now(UTC)): ...",
        "later = lambda when=time.time(): when",
        "@parametrize('when', [datetime.now(UTC)])\ndef test(when): ...",
        "if slow:\n    NOW = time()",
    ],
)
def test_a_clock_read_at_import_is_found(source):
    assert list(clocks_read_at_import(source))


@pytest.mark.parametrize(
    "source",
    [
        "def now():\n    return datetime.now(UTC)",
        "later = lambda: time.time()",
        "class Case:\n    def now(self):\n        return time.time()",
        "NOW = datetime(2026, 1, 1, tzinfo=UTC)",
    ],
)
def test_a_clock_read_in_a_call_is_ignored(source):
    assert not list(clocks_read_at_import(source))


def clocks_read_at_import(source: str) -> Iterator[int]:
    """The lines of clock calls outside of function bodies."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and _name(node.func) in CLOCKS:
            yield node.lineno
        waiting.extend(_evaluated_at_once(node))


def _evaluated_at_once(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes evaluated at import: for a function its decorators and defaults, but not its body."""
    if isinstance(node, FUNCTIONS):
        yield node.args
        yield from getattr(node, "decorator_list", [])
    else:
        yield from ast.iter_child_nodes(node)


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", "") or getattr(function, "id", "")
