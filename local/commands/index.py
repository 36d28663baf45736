"""`imagesearch index`: bring a folder's index up to date, and leave."""

import sys
import time
from functools import partial

import typer
from rich.console import Console

from local.output import Report
from local.sync.reconcile import FolderEngine, Forget, activate, never
from local.workspace import Workspace


def index_folder(
    workspace: Workspace,
    model: str,
    console: Console,
    forget: Forget = never,
    afresh: bool = False,
    verbose: bool = False,
) -> bool:
    """Index what is new, forget what is gone; whether every image is searchable now.

    With `afresh`, files that have not changed are read, too. With `verbose`, each file that is
    skipped is named.
    """
    return fill(activate(workspace, model, afresh), console, forget, verbose)


def forgetting(wanted: bool, console: Console) -> Forget:
    """What decides on the records of files that cannot be seen: the option, or who is asked.

    Nobody is asked where nobody sits at a terminal.
    """
    if wanted:
        return lambda _: True
    if sys.stdin.isatty() and sys.stderr.isatty():
        return partial(_ask, console)
    return never


def _ask(console: Console, report: Report) -> bool:
    for line in report.troubles():
        say(console, line)
    try:
        return typer.confirm("Delete the records of what cannot be seen?", err=True)
    except typer.Abort:
        return False


def fill(
    engine: FolderEngine, console: Console, forget: Forget = never, verbose: bool = False
) -> bool:
    """Look at every image, with progress; whether every one is searchable now."""
    report = Report(verbose)
    started = time.perf_counter()
    for _ in engine.reconcile(report, console, forget):
        pass
    tell(report, time.perf_counter() - started, console)
    return report.complete


def tell(report: Report, seconds: float, console: Console) -> None:
    for line in [*report.lines(), f"{report.summary} in {seconds:.1f} s"]:
        say(console, line)


def say(console: Console, line: str) -> None:
    """A line as it is: a file's name may look like markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
