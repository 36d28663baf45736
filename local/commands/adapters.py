"""`imagesearch adapters`: list, compare and switch the query adapters fitted on feedback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.data_directory import DATA_DIR
from local.examples import GroupWithExamples
from local.options import DataDir, DerivedBucket, Folder, Json, Model, end_without_results

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
    origin: DerivedBucket = None,
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """List the versions, with the MRR of held-out queries before and after.

    Exit status 1: there are none.
    """
    from local.terminal.tables import print_json_lines, print_table

    rows = adapter_rows(origin, folder, data_dir, model)
    if as_json:
        print_json_lines(rows)
    else:
        print_table(HEADINGS, map(_cells, rows))
    if not rows:
        end_without_results("no adapters: `imagesearch tune` fits one on feedback")


@adapters.command()
def history(
    origin: DerivedBucket = None,
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """List what each run of `imagesearch tune` found, adopted or not, the oldest first.

    Exit status 1: there are none.
    """
    from dataclasses import asdict

    from local.terminal.tables import print_json_lines, print_table

    runs = runs_of(origin, folder, data_dir, model)
    if as_json:
        print_json_lines(map(asdict, runs))
    else:
        print_table(RUN_HEADINGS, map(_run_cells, runs))
    if not runs:
        end_without_results("no runs of `imagesearch tune`")


@adapters.command()
def use(
    number: Annotated[int, typer.Argument(min=1, help="Number of the version.")],
    origin: DerivedBucket = None,
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Use another version, such as the previous one."""
    from local.tuning import place_of

    place_of(origin, folder, data_dir, model).adapters.use(number)
    _print_in_use(number, as_json)


@adapters.command()
def off(
    origin: DerivedBucket = None,
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Use no adapter; the versions remain stored."""
    from local.tuning import place_of

    place_of(origin, folder, data_dir, model).adapters.use(None)
    _print_in_use(None, as_json)


def _print_in_use(number: int | None, as_json: bool) -> None:
    from local.terminal.tables import print_json_lines

    if as_json:
        print_json_lines([{"in_use": number}])
    else:
        print(f"{'no adapter' if number is None else f'adapter {number}'} is in use")  # noqa: T201


@adapters.command()
def compare(
    origin: DerivedBucket = None,
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Compare the versions on opinions on later searches than each was fitted on, by MRR.

    An adapter is not tested on the opinions it was fitted on. Exit status 1: there are none.
    """
    from local.terminal.tables import print_json_lines, print_table

    headings = ("adapter", "modality", "queries", "MRR without", "MRR with")
    rows = compared_rows(origin, folder, data_dir, model)
    if as_json:
        print_json_lines(rows)
    else:
        print_table(headings, map(_compared_cells, rows))
    if not rows:
        end_without_results("no adapters to compare")


def adapter_rows(
    origin: str | None, folder: Path | None, data_dir: Path, model: str | None
) -> list[dict[str, Any]]:
    """Each version with its figures, or with its problem if it is unreadable. Raises UsageError."""
    from imagesearch.domain.errors import ConfigurationError, NotFound
    from local.tuning import place_of

    store = place_of(origin, folder, data_dir, model).adapters
    pointer, rows = store.pointer(), []
    for number in range(1, pointer.newest + 1):
        row: dict[str, Any] = {
            "adapter": number,
            "in_use": number == pointer.number,
            "forgotten_opinions": number in pointer.forgotten,
        }
        try:
            found = store.get(number)
        except (ConfigurationError, NotFound) as error:
            rows.append(row | {"problem": error.message})
            continue
        described = {"created": found.created, "opinions": found.opinions["count"]}
        rows.append(row | described | {"parent": found.parent, "figures": dict(found.figures)})
    return rows


def _cells(row: dict[str, Any]) -> list[str]:
    """The columns of `HEADINGS`."""
    number = str(row["adapter"])
    if "problem" in row:
        return [number, row["problem"], *("–" for _ in HEADINGS[2:])]
    state = "in use" if row["in_use"] else ""
    if row["forgotten_opinions"]:
        state = "forgotten opinions"
    figures = row["figures"]
    mrrs = [
        f"{each['mrr_before']:.2f} → {each['mrr_after']:.2f}" if each else "–"
        for each in (figures.get(name) for name in ("text", "image"))
    ]
    first = next(iter(figures.values()))
    change = 100 * (first["samples_after"] - first["samples_before"])
    opinions, parent = f"{row['opinions']:,}", str(row["parent"] or "–")
    return [number, state, row["created"], opinions, parent, *mrrs, f"{change:+.1f}"]


def runs_of(
    origin: str | None, folder: Path | None, data_dir: Path, model: str | None
) -> list[Run]:
    """The result of each run. Raises UsageError."""
    from local.tuning import place_of

    return place_of(origin, folder, data_dir, model).history.runs()


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
) -> list[dict[str, Any]]:
    """Number, modality, queries and both MRRs of each version. Raises UsageError."""
    from imagesearch.learning.comparison import compared
    from local.tuning import place_of

    place = place_of(origin, folder, data_dir, model)
    rows = []
    for each in compared(place.adapters, place.tuner.opinions()):
        without, using = each.mrr or (None, None)
        row = {"adapter": each.number, "modality": each.modality.value, "queries": each.queries}
        rows.append(row | {"mrr_without": without, "mrr_with": using})
    return rows


def _compared_cells(row: dict[str, Any]) -> list[str]:
    mrrs = ["–" if mrr is None else f"{mrr:.2f}" for mrr in (row["mrr_without"], row["mrr_with"])]
    return [str(row["adapter"]), row["modality"], f"{row['queries']:,}", *mrrs]
