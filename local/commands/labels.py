"""`imagesearch labels`: sets of labels beside an indexed folder.

`imagesearch labels` as it is typed: put, list, delete.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from imagesearch import bootstrap
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import checked_labels
from local.errors import UsageError
from local.lambda_runtime import settings_of
from local.models import model_folder, model_in_use
from local.options import DATA_DIR, DataDir, Model
from local.workspace import last_used, workspace_of

MOST_LABELS = 10_000_000


def label_sets(folder: Path | None, data_dir: Path, model: str | None) -> LabelSets:
    """Those of an indexed folder's model. Raises WrongUsage."""
    workspace = workspace_of(folder, data_dir) if folder else last_used(data_dir)
    workspace.must_be_indexed()
    used = model_folder(model_in_use(model, workspace), workspace.directory.parent)
    return bootstrap.label_sets(settings_of(workspace, used))


def put_labels(sets: LabelSets, name: str, file: Path, add: bool, console: Console) -> None:
    """Raises WrongUsage for a file that cannot be read, and what the use case raises."""
    labels = read_labels(file)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("embedding labels", total=len(labels))
        write = sets.add if add else sets.replace
        write(name, labels, progress=lambda count: progress.advance(task, count))
    console.print(f"{name}: {len(labels):,} labels", highlight=False, markup=False)


def read_labels(file: Path) -> list[str]:
    """The lines that are not blank, each once. Raises WrongUsage, InvalidQuery."""
    try:
        lines = file.expanduser().read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text: save it as that") from error
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    labels = [line for line in lines if line.strip()]
    if not labels:
        raise UsageError(f"{file} has no line with a label on it")
    return checked_labels(labels, MOST_LABELS)


labels = typer.Typer(help="Keep sets of labels to classify with.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="1 to 64 of a-z, 0-9, - and _.")]
File = Annotated[Path, typer.Argument(help="A text file with a label on each line.")]
Add = Annotated[bool, typer.Option("--add", help="Keep the labels that the set has.")]
Folder = Annotated[Path | None, typer.Option(help="Default: the last one indexed.")]


@labels.command()
def put(
    name: Name,
    file: File,
    add: Add = False,
    folder: Folder = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Make the lines of a file the labels of a set; any number of them."""

    put_labels(label_sets(folder, data_dir, model), name, file, add, Console(stderr=True))


@labels.command("list")
def list_sets(folder: Folder = None, data_dir: DataDir = DATA_DIR, model: Model = None) -> None:
    """Show the sets that there are, and how many labels each has."""

    for name, count in label_sets(folder, data_dir, model).counts().items():
        print(f"{name}\t{count}")  # noqa: T201


@labels.command()
def delete(
    name: Name, folder: Folder = None, data_dir: DataDir = DATA_DIR, model: Model = None
) -> None:
    """Delete a set with its labels."""

    label_sets(folder, data_dir, model).delete(name)
