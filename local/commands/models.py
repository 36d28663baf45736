"""`imagesearch models`: list, download, test, calibrate and verify models."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from local.errors import Interrupted
from local.options import DATA_DIR, RESUMABLE, DataDir

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.calibration.calibration_set import CalibrationSet
    from imagesearch.embedding.model_catalog import CatalogEntry

MEGABYTE = 1_000_000

Accept = Annotated[
    bool,
    typer.Option(
        "--accept",
        help="Install a model that the self-test refuses, such as one for X-rays or drawings; its"
        " figures are recorded.",
    ),
]
Captions = Annotated[
    Path | None,
    typer.Option(
        "--captions",
        metavar="FILE",
        help="Test and calibrate with your own photos: a .tsv or .csv file with the columns path"
        " and caption.",
    ),
]

models = typer.Typer(
    help="List, download, test, calibrate and verify models.", no_args_is_help=True
)


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
    accept: Accept = False,
    captions: Captions = None,
) -> None:
    """Download a model, test it and calibrate it; an interrupted download resumes.

    Exit status 1: the self-test refused the model, and it is not installed.
    """
    from rich.console import Console

    console = Console(stderr=True)
    try:
        folder = pull_model(name, allow_unpinned, console, accept, calibration_set(captions))
    except KeyboardInterrupt as stopped:
        raise Interrupted(RESUMABLE) from stopped
    print(folder)  # noqa: T201


@models.command()
def calibrate(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Model folder or name, or s3://bucket/prefix.")
    ],
    captions: Captions = None,
    accept: Accept = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="The float32 model that this model was quantized from, to compare."
        ),
    ] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Test a model, and calibrate relevance, label scores and duplicates for it.

    Exit status 1: the self-test refused the model, and nothing was written.
    """
    from rich.console import Console

    print(calibrate_model(path, data_dir, Console(stderr=True), captions, accept, against))  # noqa: T201


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
    from local.model_sources import catalog_entries
    from local.models import installed_models

    installed = installed_models(data_dir)
    lines = [f"{name}\tinstalled\t{folder}" for name, folder in installed.items()]
    for model in catalog_entries():
        if model.name not in installed:
            size = f"{model.bytes / MEGABYTE:,.0f} MB" if model.bytes else "size unknown"
            state = "unpinned" if model.unpinned else "pinned"
            lines.append(f"{model.name}\t{state}, {size}\t{model.manifest['description']}")
    return lines


def pull_model(
    name: str,
    allow_unpinned: bool,
    console: Console,
    accept: bool = False,
    photos: CalibrationSet | None = None,
    catalog: Callable[[str], CatalogEntry] | None = None,
) -> Path:
    """Download a model, test and calibrate it, print how to use it, and return its folder.

    `photos` replaces the sample photos.

    Raises UsageError, Unavailable, NotFound, ConfigurationError, ModelRefused.
    """
    from imagesearch.embedding.manifest import MANIFEST
    from local.model_sources import catalog_entry
    from local.models import BETTER, Puller, models_cache
    from local.output import download_progress, print_line

    model = (catalog or catalog_entry)(name)
    cache = models_cache(os.environ)
    photos = photos or calibration_set(None)
    float32 = cache / model.quantized_from if model.quantized_from else None

    def self_test(folder: Path) -> None:
        original = float32 if float32 and (float32 / MANIFEST).is_file() else None
        print_line(console, run_with_progress(folder, photos, console, accept, original))

    with download_progress(console) as progress:
        puller = Puller(cache, progress, self_test=self_test)
        folder = puller.pull(model, allow_unpinned=allow_unpinned)
    use = "new folders are indexed with it" if name == BETTER else f"index with `--model {name}`"
    print_line(console, f"{name} is installed; {use}")
    print_line(
        console,
        f"an indexed folder keeps its model: `imagesearch serve FOLDER --model {name}` builds the"
        " new index and switches to it while searches continue",
    )
    return folder


def calibrate_model(
    path: str,
    data_dir: Path,
    console: Console,
    captions: Path | None = None,
    accept: bool = False,
    against: str | None = None,
) -> str:
    """Test and calibrate a model folder, or one in S3; returns the result as a line.

    Raises UsageError, Unavailable, ConfigurationError, ModelRefused.
    """
    from local.models import model_folder

    photos = calibration_set(captions)
    float32 = model_folder(against, data_dir) if against else None

    def run(folder: Path) -> str:
        return run_with_progress(folder, photos, console, accept, float32, again=True)

    return _in_s3(path, run) if path.startswith("s3://") else run(model_folder(path, data_dir))


def _in_s3(uri: str, run: Callable[[Path], str]) -> str:
    """Run in a copy of the folder, and upload the calibration."""
    from imagesearch.adapters.s3.model_folder import S3ModelFolder
    from imagesearch.downloads.model_store import copied_model, put_calibration

    model = S3ModelFolder(uri)
    with copied_model(model) as folder:
        line = run(folder)
        put_calibration(folder, model)
    return line


def calibration_set(captions: Path | None) -> CalibrationSet:
    """The sample photos, or those of a file. Raises ConfigurationError."""
    from imagesearch.calibration.calibration_set import shipped_set
    from imagesearch.embedding.self_test.own_photos import own_set

    samples = shipped_set()
    return own_set(captions, samples) if captions else samples


def run_with_progress(
    folder: Path,
    photos: CalibrationSet,
    console: Console,
    accept: bool,
    float32: Path | None,
    *,
    again: bool = False,
) -> str:
    """Test a folder, unless it has the result already; returns the result as a line."""
    from imagesearch.embedding.self_test.run import self_tested, summary
    from local.output import counted_progress

    with counted_progress(console, "testing the model") as progress:
        found = self_tested(
            folder, photos, float32=float32, accept=accept, progress=progress, again=again
        )
    return summary(folder, photos, found)


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
