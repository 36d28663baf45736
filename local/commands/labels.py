"""`imagesearch labels`: create, list and delete the label sets of an indexed folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from local.data_directory import DATA_DIR
from local.errors import UsageError
from local.examples import GroupWithExamples
from local.label_sets import label_sets
from local.options import DataDir, Folder, Json, Model, end_without_results
from local.terminal.completion import label_set_names
from local.workspace import selected_workspace

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.classification.examples import NamedExamples
    from imagesearch.classification.label_sets import LabelSets
    from local.workspace import Workspace

MAX_LABELS = 10_000_000

labels = typer.Typer(
    help="Manage label sets for classification.", no_args_is_help=True, cls=GroupWithExamples
)
Name = Annotated[
    str,
    typer.Argument(
        help="Name of the set: 1 to 64 of a-z, 0-9, - and _.", autocompletion=label_set_names
    ),
]


@labels.command()
def put(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Text file with one label a line.")],
    add: Annotated[
        bool, typer.Option("--add", help="Add to the labels of the set instead of replacing them.")
    ] = False,
    examples: Annotated[
        Path | None,
        typer.Option(
            "--examples",
            metavar="FILE",
            help="Text file with one example a line: the label, a tab and the path of an image,"
            " also from the indexed folder. Classification learns from them if that proves better.",
        ),
    ] = None,
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Create or replace a label set from the lines of a file."""
    from rich.console import Console

    from local.terminal.tables import print_json_lines

    if add and examples:
        raise UsageError("give either --add or --examples: a set with examples is replaced")
    workspace = selected_workspace(folder, data_dir)
    sets = label_sets(folder, data_dir, model)
    named = read_examples(examples, workspace) if examples else None
    put_labels(sets, name, file, add, Console(stderr=True), named)
    if as_json:
        print_json_lines([{"name": name, "labels": sets.counts()[name]}])


@labels.command("list")
def list_sets(
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """List the label sets with their number of labels.

    Exit status 1: there are none.
    """
    from local.terminal.tables import print_json_lines, print_table

    counts = label_sets(folder, data_dir, model).counts()
    if as_json:
        print_json_lines({"name": name, "labels": count} for name, count in counts.items())
    else:
        print_table(["name", "labels"], [[name, str(count)] for name, count in counts.items()])
    if not counts:
        end_without_results("no label sets: create one with `imagesearch labels put`")


@labels.command()
def delete(
    name: Name,
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Delete a label set and its labels."""
    from local.terminal.tables import print_json_lines

    label_sets(folder, data_dir, model).delete(name)
    if as_json:
        print_json_lines([{"deleted": name}])


def put_labels(
    sets: LabelSets,
    name: str,
    file: Path,
    add: bool,
    console: Console,
    examples: NamedExamples | None = None,
) -> None:
    """Replace a set, or add to it. Raises UsageError, and the errors of the use case."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from imagesearch.domain.counts import counted

    labels = read_labels(file)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("embedding labels", total=len(labels))

        def advance(count: int) -> None:
            progress.advance(task, count)

        if add:
            sets.add(name, labels, advance)
            learned = None
        else:
            learned = sets.replace(name, labels, advance, examples)
    console.print(f"{name}: {counted(len(labels), 'label')}", highlight=False, markup=False)
    if learned:
        console.print(learned.sentence(), highlight=False, markup=False, soft_wrap=True)


def read_labels(file: Path) -> list[str]:
    """The lines that are not blank, without repetitions. Raises UsageError, InvalidQuery."""
    from imagesearch.classification.prompts import checked_labels

    labels = _lines(file)
    if not labels:
        raise UsageError(f"{file} has no labels: write one label a line")
    return checked_labels(labels, MAX_LABELS)


def read_examples(file: Path, workspace: Workspace) -> NamedExamples:
    """The ids of the images that a file names, by label. Raises UsageError."""
    from imagesearch.classification.examples import NamedExamples
    from local.searches import stored_id

    ids: dict[str, list[str]] = {}
    for number, line in enumerate(_lines(file), start=1):
        label, _, path = (part.strip() for part in line.partition("\t"))
        if not (label and path):
            raise UsageError(
                f"{file}, line {number}: write a label, a tab and the path of an image"
            )
        if (id := stored_id(workspace, path)) is None:
            raise UsageError(f"{file}, line {number}: {workspace.folder} has no file {path!r}")
        ids.setdefault(label, []).append(id)
    return NamedExamples(ids)


def _lines(file: Path) -> list[str]:
    """The lines that are not blank. Raises UsageError."""
    try:
        lines = file.expanduser().read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    return [line for line in lines if line.strip()]
