"""`imagesearch models`: which are known, one that is fetched, one that is checked.

`imagesearch models` as it is typed: list, pull, verify.
"""

import io
import os
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.console import Console

from imagesearch.domain.errors import ConfigurationError, UnreadableImage
from imagesearch.embedding import model_catalog as registry
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.session import signed_weights_are_exact
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from local.models import BETTER, Puller, check_files, installed_models, model_folder, models_cache
from local.options import DATA_DIR, INTERRUPTED, DataDir
from local.output import watching

MEGABYTE = 1_000_000
_FOR_NEW = "what is not indexed yet is indexed with it"


def listed(data_dir: Path) -> list[str]:
    """A line for each model: what can be used now, then what can be pulled."""
    here = installed_models(data_dir)
    lines = [f"{name}\there\t{folder}" for name, folder in here.items()]
    for model in registry.catalog_entries():
        if model.name not in here:
            size = f"{model.bytes / MEGABYTE:,.0f} MB" if model.bytes else "size not known"
            state = "unpinned" if model.unpinned else "pinned"
            lines.append(f"{model.name}\t{state}, {size}\t{model.manifest['description']}")
    return lines


def pull_model(name: str, allow_unpinned: bool, console: Console) -> Path:
    """The folder of the model; says what can be done with it."""
    model = registry.catalog_entry(name)
    with watching(console) as watch:
        folder = Puller(models_cache(os.environ), watch).pull(model, allow_unpinned=allow_unpinned)
    _say(
        console,
        f"{name} is here; {_FOR_NEW if name == BETTER else f'`--model {name}` indexes with it'}",
    )
    _say(
        console,
        f"a folder that is indexed already keeps its model: `imagesearch reindex FOLDER --model"
        f" {name}` fills an index for the new one, and `--model {name}` then takes it into use",
    )
    return folder


def verify_model(name_or_path: str, data_dir: Path) -> Path:
    """Check every hash, load both graphs and embed something. Raises ConfigurationError."""
    folder = model_folder(name_or_path, data_dir)
    manifest = check_files(folder)
    rewritten = any(entry.rewritten_from for entry in manifest.files.values())
    if rewritten and not signed_weights_are_exact():
        raise ConfigurationError(
            f"{folder} has signed weights, which this CPU does not multiply exactly",
            "delete the folder and pull the model again on this machine",
        )
    images = OnnxImageEncoder(folder, manifest)
    try:
        (picture,) = images.encode_images([_picture()])
    finally:
        images.close()
    (text,) = OnnxTextEncoder(folder, manifest).encode_texts(["a photo of a dog"])
    if isinstance(picture, UnreadableImage) or picture.embedding.shape != text.shape:
        raise ConfigurationError(f"{folder} gives no vectors that can be compared", "pull it again")
    return folder


def _picture() -> bytes:
    data = io.BytesIO()
    Image.linear_gradient("L").save(data, "PNG")
    return data.getvalue()


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


models = typer.Typer(help="See, fetch and check models.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A name that `imagesearch models list` shows.")]
Loose = Annotated[
    bool, typer.Option("--allow-unpinned", help="Take files that nobody vouches for.")
]
Folder = Annotated[str, typer.Argument(metavar="PATH", help="A model's folder, or its name.")]


@models.command("list")
def list_models(data_dir: DataDir = DATA_DIR) -> None:
    """Show the models that are here, and those that can be pulled."""

    for line in listed(data_dir):
        print(line)  # noqa: T201


@models.command()
def pull(name: Name, allow_unpinned: Loose = False) -> None:
    """Fetch a model; what was cut goes on from where it was."""

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

    folder = verify_model(path, data_dir)
    print(f"{folder} is whole, loads, and embeds images and texts")  # noqa: T201
