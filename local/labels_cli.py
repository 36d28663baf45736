"""`imagesearch labels` as it is typed: put, list, delete."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local.cli_options import DATA_DIR, DataDir, Model

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
    from local.commands.labels import label_sets, put_labels

    put_labels(label_sets(folder, data_dir, model), name, file, add, Console(stderr=True))


@labels.command("list")
def list_sets(folder: Folder = None, data_dir: DataDir = DATA_DIR, model: Model = None) -> None:
    """Show the sets that there are, and how many labels each has."""
    from local.commands.labels import label_sets

    for name, count in label_sets(folder, data_dir, model).counts().items():
        print(f"{name}\t{count}")  # noqa: T201


@labels.command()
def delete(
    name: Name, folder: Folder = None, data_dir: DataDir = DATA_DIR, model: Model = None
) -> None:
    """Delete a set with its labels."""
    from local.commands.labels import label_sets

    label_sets(folder, data_dir, model).delete(name)
