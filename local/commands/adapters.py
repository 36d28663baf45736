"""`imagesearch adapters`: list, compare and switch the query adapters fitted on feedback."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from local.commands.tune import Origin
from local.examples import GroupWithExamples
from local.options import DATA_DIR, DataDir, Folder, Model

if TYPE_CHECKING:
    from imagesearch.learning.history import Run

adapters = typer.Typer(
    cls=GroupWithExamples, help="Query adapters fitted on feedback.", no_args_is_help=True
)
RUN_HEADINGS = (
    *("time", "queries by", "opinions", "queries", "MRR", "gain", "samples"),
    *("left out", "result"),
)
HEADINGS = ("adapter", "state", "created", "opinions", "parent", "text MRR", "image MRR", "samples")


@adapters.command("list")
def list_adapters(
    origin: Origin = None,
    folder: Folder = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """List the versions, with the MRR of held-out queries before and after."""
    from local.tables import print_table

    print_table(HEADINGS, adapter_rows(origin, folder, data_dir, model))


@adapters.command()
def history(
    origin: Origin = None,
    folder: Folder = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """List what each run of `imagesearch tune` found, adopted or not, the oldest first."""
    from local.tables import print_table

    print_table(RUN_HEADINGS, run_rows(origin, folder, data_dir, model))


@adapters.command()
def use(
    number: Annotated[int, typer.Argument(min=1, help="Number of the version.")],
    origin: Origin = None,
    folder: Folder = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Use another version, such as the previous one."""
    from local.tuning import place_of

    place_of(origin, folder, data_dir, model).adapters.use(number)
    print(f"adapter {number} is in use")  # noqa: T201


@adapters.command()
def off(
    origin: Origin = None,
    folder: Folder = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Use no adapter; the versions remain stored."""
    from local.tuning import place_of

    place_of(origin, folder, data_dir, model).adapters.use(None)
    print("no adapter is in use")  # noqa: T201


@adapters.command()
def compare(
    origin: Origin = None,
    folder: Folder = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Compare the versions on the opinions that were given since each was created, by MRR.

    An adapter is not tested on the opinions it was fitted on.
    """
    from local.tables import print_table

    headings = ("adapter", "modality", "queries", "MRR without", "MRR with")
    print_table(headings, compared_rows(origin, folder, data_dir, model))


def adapter_rows(
    origin: str | None, folder: Path | None, data_dir: Path, model: str | None
) -> list[list[str]]:
    """The columns of `HEADINGS` of each version. Raises UsageError."""
    from imagesearch.domain.errors import ConfigurationError
    from local.tuning import place_of

    store = place_of(origin, folder, data_dir, model).adapters
    pointer, rows = store.pointer(), []
    for number in range(1, pointer.newest + 1):
        state = "in use" if number == pointer.number else ""
        if number in pointer.forgotten:
            state = "forgotten opinions"
        try:
            found = store.get(number)
        except ConfigurationError as error:
            rows.append([str(number), error.message, *("–" for _ in HEADINGS[2:])])
            continue
        mrrs = [
            f"{figures['mrr_before']:.2f} → {figures['mrr_after']:.2f}" if figures else "–"
            for figures in (found.figures.get(name) for name in ("text", "image"))
        ]
        first = next(iter(found.figures.values()))
        change = 100 * (first["samples_after"] - first["samples_before"])
        parent = str(found.parent or "–")
        count = f"{found.opinions['count']:,}"
        rows.append([str(number), state, found.created, count, parent, *mrrs, f"{change:+.1f}"])
    return rows


def run_rows(
    origin: str | None, folder: Path | None, data_dir: Path, model: str | None
) -> list[list[str]]:
    """The columns of `RUN_HEADINGS` of each run. Raises UsageError."""
    from local.tuning import place_of

    return [_run_cells(run) for run in place_of(origin, folder, data_dir, model).history.runs()]


def _run_cells(run: Run) -> list[str]:
    from imagesearch.learning.validation import MIN_QUERIES

    figures = ["–", "–", "–"]
    if run.held_out_queries >= MIN_QUERIES:
        gain = run.mrr_after - run.mrr_before
        figures = [
            f"{run.mrr_before:.2f} → {run.mrr_after:.2f}",
            f"{gain:+.2f} ± {run.margin:.2f}",
            f"{100 * (run.samples_after - run.samples_before):+.1f}",
        ]
    return [
        run.time,
        run.modality,
        f"{run.opinions:,}",
        f"{run.queries:,}",
        *figures,
        f"{run.users_left_out:,}",
        f"not adopted: {run.reason}" if run.adapter is None else f"adapter {run.adapter}",
    ]


def compared_rows(
    origin: str | None, folder: Path | None, data_dir: Path, model: str | None
) -> list[list[str]]:
    """Number, modality, queries and both MRRs of each version. Raises UsageError."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from imagesearch.learning.comparison import compared
    from local.tuning import place_of

    place = place_of(origin, folder, data_dir, model)
    found = compared(place.adapters, place.tuner.opinions())
    return [
        [str(each.number), each.modality.value, f"{each.queries:,}", *_mrrs(each.mrr)]
        for each in found
    ]


def _mrrs(mrr: tuple[float, float] | None) -> list[str]:
    return [f"{each:.2f}" for each in mrr] if mrr else ["–", "–"]
