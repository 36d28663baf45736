"""Deletion of records is confirmed once at a terminal; without a terminal records are kept."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from imagesearch.adapters.filesystem.image_store import Unavailability
from local.commands.index import forget_policy
from local.sync.reconcile import keep_records
from local.sync.report import Report


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Simulates a terminal with this input."""

    def simulate_input(text: str) -> Terminal:
        shown = Terminal()
        monkeypatch.setattr("sys.stdin", Terminal(text))
        monkeypatch.setattr("sys.stderr", shown)
        return shown

    return simulate_input


def report() -> Report:
    made = Report()
    made.add_kept(
        [Unavailability("disk", "the folder is empty: is its disk mounted?", filesystem=True)]
    )
    return made


@pytest.mark.parametrize(
    ("typed", "forgets"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_the_answer_at_the_terminal_is_applied(
    at_terminal: Callable[[str], Any], typed: str, forgets: bool
) -> None:
    shown = at_terminal(typed)
    forget = forget_policy(False, Console(file=shown))
    assert forget(report()) is forgets
    assert "kept 1 record below disk" in shown.getvalue()
    assert "Delete the records of unavailable files? [y/N]" in shown.getvalue()


def test_the_option_skips_the_prompt() -> None:
    assert forget_policy(True, Console(quiet=True))(report())


def test_no_prompt_is_shown_without_a_terminal(
    at_terminal: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_terminal("y\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert forget_policy(False, Console(quiet=True)) is keep_records
    at_terminal("y\n")
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert forget_policy(False, Console(quiet=True)) is keep_records
