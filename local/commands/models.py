"""`imagesearch models`: list, download and verify models."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from local.errors import Interrupted
from local.options import DATA_DIR, RESUMABLE, DataDir

if TYPE_CHECKING:
    from rich.console import Console

MEGABYTE = 1_000_000

models = typer.Typer(help="List, download and verify models.", no_args_is_help=True)


@models.command("list")
def list_models(data_dir: DataDir = DATA_DIR) -> None:
    """List the installed models, then those that can be downloaded."""
    for line in model_lines(data_dir):
        print(line)  # noqa: T201


@models.command()
def pull(
    name: Annotated[str, typer.Argument(help="Model name, as `imagesearch models list` shows it.")],
    allow_unpinned: Annotated[
        bool,
        typer.Option("--allow-unpinned", help="Allow files without a recorded SHA-256."),
    ] = False,
) -> None:
    """Download a model; an interrupted download resumes."""
    from rich.console import Console

    console = Console(stderr=True)
    try:
        folder = pull_model(name, allow_unpinned, console)
    except KeyboardInterrupt as stopped:
        raise Interrupted(RESUMABLE) from stopped
    print(folder)  # noqa: T201


@models.command()
def verify(
    path: Annotated[str, typer.Argument(metavar="PATH", help="Model folder, or model name.")],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Check the SHA-256 of a model's files, load the model and embed an image and a text."""
    folder = verify_model(path, data_dir)
    print(f"{folder} is complete, loads, and embeds images and texts")  # noqa: T201


def model_lines(data_dir: Path) -> list[str]:
    """A tab-separated line for each model: installed ones first, then those of the catalog."""
    from imagesearch.embedding.model_catalog import catalog_entries
    from local.models import installed_models

    installed = installed_models(data_dir)
    lines = [f"{name}\tinstalled\t{folder}" for name, folder in installed.items()]
    for model in catalog_entries():
        if model.name not in installed:
            size = f"{model.bytes / MEGABYTE:,.0f} MB" if model.bytes else "size unknown"
            state = "unpinned" if model.unpinned else "pinned"
            lines.append(f"{model.name}\t{state}, {size}\t{model.manifest['description']}")
    return lines


def pull_model(name: str, allow_unpinned: bool, console: Console) -> Path:
    """Download a model, print how to use it, and return its folder.

    Raises UsageError, Unavailable, NotFound, ConfigurationError.
    """
    from imagesearch.embedding.model_catalog import catalog_entry
    from local.models import BETTER, Puller, models_cache
    from local.output import download_progress, print_line

    model = catalog_entry(name)
    with download_progress(console) as progress:
        puller = Puller(models_cache(os.environ), progress)
        folder = puller.pull(model, allow_unpinned=allow_unpinned)
    use = "new folders are indexed with it" if name == BETTER else f"index with `--model {name}`"
    print_line(console, f"{name} is installed; {use}")
    print_line(
        console,
        "an indexed folder keeps its model: build an index for the new one with"
        f" `imagesearch reindex FOLDER --model {name}`, then activate it with `--model {name}`",
    )
    return folder


def verify_model(name_or_path: str, data_dir: Path) -> Path:
    """Check every hash, load both graphs, and embed an image and a text.

    Raises UsageError, ConfigurationError.
    """
    from imagesearch.domain.errors import ConfigurationError, UnreadableImage
    from imagesearch.embedding.image_encoder import OnnxImageEncoder
    from imagesearch.embedding.session import signed_weights_are_exact
    from imagesearch.embedding.text_encoder import OnnxTextEncoder
    from local.models import check_files, model_folder

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
        (image,) = images.encode_images([_test_image()])
    finally:
        images.close()
    (text,) = OnnxTextEncoder(folder, manifest).encode_texts(["a photo of a dog"])
    if isinstance(image, UnreadableImage) or image.embedding.shape != text.shape:
        raise ConfigurationError(
            f"{folder} gives image and text vectors that cannot be compared", "pull it again"
        )
    return folder


def _test_image() -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.linear_gradient("L").save(data, "PNG")
    return data.getvalue()
