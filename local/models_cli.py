"""`imagesearch models` as it is typed: list, pull, verify."""

from typing import Annotated

import typer
from rich.console import Console

from local.cli_options import DATA_DIR, INTERRUPTED, DataDir

models = typer.Typer(help="See, fetch and check models.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A name that `imagesearch models list` shows.")]
Loose = Annotated[
    bool, typer.Option("--allow-unpinned", help="Take files that nobody vouches for.")
]
Folder = Annotated[str, typer.Argument(metavar="PATH", help="A model's folder, or its name.")]


@models.command("list")
def list_models(data_dir: DataDir = DATA_DIR) -> None:
    """Show the models that are here, and those that can be pulled."""
    from local.commands.models import listed

    for line in listed(data_dir):
        print(line)  # noqa: T201


@models.command()
def pull(name: Name, allow_unpinned: Loose = False) -> None:
    """Fetch a model; what was cut goes on from where it was."""
    from local.commands.models import pull as pull_model

    console = Console(stderr=True)
    try:
        folder = pull_model(name, allow_unpinned, console)
    except KeyboardInterrupt as stopped:
        console.print("stopped; the same command goes on from there", highlight=False)
        raise typer.Exit(INTERRUPTED) from stopped
    print(folder)  # noqa: T201


@models.command()
def verify(path: Folder, data_dir: DataDir = DATA_DIR) -> None:
    """Check a model's files against their hashes, load it and embed something."""
    from local.commands.models import verify as verify_model

    folder = verify_model(path, data_dir)
    print(f"{folder} is whole, loads, and embeds images and texts")  # noqa: T201
