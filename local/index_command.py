"""`imagesearch index`: bring a folder's index up to date, and leave."""

import time

from rich.console import Console

from local.folder_engine import FolderEngine, take_into_use
from local.report import Report
from local.workspace import Workspace


def index_folder(workspace: Workspace, model: str, console: Console, verbose: bool = False) -> bool:
    """Index what is new, forget what is gone; whether every image is searchable now."""
    return fill(take_into_use(workspace, model), console, verbose)


def fill(engine: FolderEngine, console: Console, verbose: bool = False) -> bool:
    """Look at every image, with progress; whether every one is searchable now.

    With `verbose` each file that is skipped is named.
    """
    report = Report(verbose)
    started = time.perf_counter()
    for _ in engine.reconcile(report, console):
        pass
    tell(report, time.perf_counter() - started, console)
    return report.complete


def tell(report: Report, seconds: float, console: Console) -> None:
    for line in [*report.lines(), f"{report.summary} in {seconds:.1f} s"]:
        say(console, line)


def say(console: Console, line: str) -> None:
    """A line as it is: a file's name may look like markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
