"""`imagesearch models`: list, compare, download, test, calibrate and verify models."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from local.data_directory import DATA_DIR
from local.errors import Interrupted, UsageError
from local.examples import GroupWithExamples
from local.options import INCOMPLETE, RESUMABLE, DataDir, DerivedBucket, Folder, IndexUrl, Json
from local.terminal.completion import installed_model_names, model_names

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.calibration.calibration_set import CalibrationSet
    from imagesearch.embedding.model_catalog import CatalogEntry
    from imagesearch.settings import Settings
    from local.evaluation.latency import Latency

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
    help="List, compare, download, test, calibrate and verify models.",
    no_args_is_help=True,
    cls=GroupWithExamples,
)


@models.command("list")
def list_models(
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Measure the milliseconds an image and a text take on this machine, for installed"
            " models.",
        ),
    ] = False,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """List the installed models, then those that can be downloaded.

    Languages are those of queries. Published quality is the top-1 accuracy on ImageNet without
    training on it, and the recall of text to image, in percent. A terminal gets a table, a pipe
    lines of columns separated by tabs, without a header.
    """
    from local.evaluation import listing
    from local.terminal.tables import print_json_lines, print_table

    listed = listing.listed_models(data_dir)
    if measure:
        listed = listing.with_latencies(listed, _measure)
    if as_json:
        print_json_lines(map(listing.as_json, listed))
        return
    cells = listing.table_cells if sys.stdout.isatty() else listing.cells
    rows = [cells(each, measured=measure) for each in listed]
    print_table(listing.table_headings(measured=measure), rows)


@models.command("compare")
def compare_models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Names or folders of installed models. Default: all installed models.",
            show_default=False,
            autocompletion=installed_model_names,
        ),
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(
            "--captions",
            metavar="FILE",
            help="Compare with your own photos: a .tsv or .csv file with the columns path and"
            " caption. Default: the sample photos.",
        ),
    ] = None,
    feedback: Annotated[
        bool,
        typer.Option(
            "--feedback",
            help="Compare with the model of an indexed folder or of a deployed system, on the"
            " feedback of its users.",
        ),
    ] = False,
    folder: Folder = None,
    origin: DerivedBucket = None,
    stack: Annotated[
        str, typer.Option(help="Name of the deployed stack, with --from.")
    ] = "imagesearch",
    index_url: IndexUrl = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name or folder of the deployed model, if it is in a layer of your own.",
            autocompletion=installed_model_names,
        ),
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Compare models on photos with captions: recall, relevance and speed, as a table.

    A model without recorded figures for these photos is tested, and nothing is written. R@1, R@5
    and R@10 are the captions that find their photo among the first results, `edited R@1` the edited
    photos that find their original first, in percent. At relevance 0.5, `captions kept` is the
    share of captions that find their photo, `wrong kept` the number of other photos that each
    caption finds, and `nonsense found` the share of queries without a match that find a photo.

    With `--feedback`, the queries that users rated are ranked by each model, which embeds only the
    rated images: the mean reciprocal rank (MRR) of the first liked image among all rated ones, for
    the model in use and for the other, with the 95 % interval of the difference. Nothing is
    indexed. `--from` reads the feedback of a deployed system, and its images, index and model by
    the outputs of its stack.

    Exit status 1: a model failed or is refused; its row states the reason.
    """
    from rich.console import Console

    if feedback:
        if captions:
            raise UsageError("give either --captions or --feedback")
        if origin and folder:
            raise UsageError("give either --from or --folder")
        from local.evaluation.replay import rated_settings

        settings = rated_settings(folder, origin, stack, index_url, model, data_dir)
        replay_feedback(names or [], settings, data_dir, Console(stderr=True), as_json)
        return
    if origin:
        raise UsageError("--from needs --feedback")
    if compare(names or [], captions, data_dir, Console(stderr=True), as_json):
        raise typer.Exit(INCOMPLETE)


@models.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(
            help="Model name, as `imagesearch models list` shows it.", autocompletion=model_names
        ),
    ],
    accept: Accept = False,
    captions: Captions = None,
    source: Annotated[
        str,
        typer.Option(
            envvar="IMAGESEARCH_MODEL_SOURCE",
            metavar="SOURCE",
            help="Mirror with the files at SOURCE/NAME/FILE: https://host/path,"
            " s3://bucket/prefix, or a folder.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Download a model, test it and calibrate it; an interrupted download resumes.

    Exit status 1: the self-test refused the model, and it is not installed.
    """
    from rich.console import Console

    from local.models.calibration import calibration_set, result_fields

    console = Console(stderr=True)
    try:
        photos = calibration_set(captions)
        folder = pull_model(name, console, accept, photos, source=source)
    except KeyboardInterrupt as stopped:
        raise Interrupted(RESUMABLE) from stopped
    if as_json:
        from local.terminal.tables import print_json_lines

        print_json_lines([{"model": name, "folder": str(folder), **result_fields(folder)}])
    else:
        print(folder)  # noqa: T201


@models.command()
def calibrate(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="Model folder or name, or s3://bucket/prefix.",
            autocompletion=installed_model_names,
        ),
    ],
    captions: Captions = None,
    accept: Accept = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="The float32 model that this model was quantized from, to compare."
        ),
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Test a model, and calibrate relevance, label scores and duplicates for it.

    Exit status 1: the self-test refused the model. A refusal by the sample photos is recorded in
    its folder, and nothing uses the model until it is accepted; an earlier calibration is kept.
    """
    from rich.console import Console

    from local.models.calibration import calibrate_model
    from local.terminal.tables import print_json_lines

    row = calibrate_model(path, data_dir, Console(stderr=True), captions, accept, against)
    if as_json:
        print_json_lines([row])
    else:
        print(row["summary"])  # noqa: T201


@models.command()
def verify(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="Model folder, or model name.",
            autocompletion=installed_model_names,
        ),
    ],
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Check the SHA-256 of a model's files, load the model and embed an image and a text.

    Exit status 1: the model is complete, but the self-test refused it.
    """
    from local.models.verification import verify_model

    folder = verify_model(path, data_dir)
    if as_json:
        from local.terminal.tables import print_json_lines

        print_json_lines([{"model": path, "folder": str(folder), "verified": True}])
    else:
        print(f"{folder} is complete, loads, and embeds images and texts")  # noqa: T201


def compare(
    names: Sequence[str],
    captions: Path | None,
    data_dir: Path,
    console: Console,
    as_json: bool = False,
) -> bool:
    """Print the comparison of models, by default of all installed ones; True if one failed.

    Raises UsageError, ConfigurationError.
    """
    from dataclasses import asdict

    from local.evaluation.comparison import HEADINGS, cells, compared, verdict
    from local.models.calibration import calibration_set
    from local.models.installed import installed_models, model_folder
    from local.terminal.output import counted_progress, print_line
    from local.terminal.tables import print_json_lines, print_table

    folders = {name: model_folder(name, data_dir) for name in dict.fromkeys(names)}
    folders = folders or installed_models(data_dir)
    photos = calibration_set(captions)
    rows = list(
        compared(folders, photos, lambda name: counted_progress(console, f"testing {name}"))
    )
    if as_json:
        print_json_lines(map(asdict, rows))
        return any(row.problem for row in rows)
    # A terminal has no room for the reasons in a column.
    columns = slice(None, -1 if sys.stdout.isatty() else None)
    print_table(HEADINGS[columns], [cells(row)[columns] for row in rows])
    if sys.stdout.isatty():
        for row in filter(lambda row: row.problem, rows):
            print_line(console, f"{row.name}: {row.problem}")
    print_line(console, verdict(rows, photos))
    return any(row.problem for row in rows)


def replay_feedback(
    names: Sequence[str],
    settings: Settings,
    data_dir: Path,
    console: Console,
    as_json: bool = False,
) -> None:
    """Print the comparison on stored feedback. Raises UsageError, and the errors of models."""
    from local.evaluation.replay import HEADINGS, as_fields, cells, replayed
    from local.terminal.output import print_line
    from local.terminal.tables import print_json_lines, print_table

    found = replayed(names, settings, data_dir)
    print_line(console, found.summary())
    if as_json:
        print_json_lines(map(as_fields, found.rows))
    else:
        print_table(HEADINGS, [cells(row) for row in found.rows])


def _measure(folder: Path) -> Latency:
    from local.evaluation.latency import latency_of
    from local.models.calibration import calibration_set

    photos = calibration_set(None)
    return latency_of(folder, photos.photos, photos.captions)


def pull_model(
    name: str,
    console: Console,
    accept: bool = False,
    photos: CalibrationSet | None = None,
    catalog: Callable[[str], CatalogEntry] | None = None,
    source: str = "",
) -> Path:
    """Download a model, test and calibrate it, print how to use it, and return its folder.

    `photos` replaces the sample photos, and `source` the URLs of the catalog.

    Raises UsageError, Unavailable, NotFound, ConfigurationError, ModelRefused.
    """
    from local.models.choice import BETTER
    from local.models.installation import install_with_progress
    from local.models.installed import models_cache
    from local.models.sources import catalog_entry
    from local.terminal.output import print_line

    model = (catalog or catalog_entry)(name)
    cache = models_cache(os.environ)
    line = install_with_progress(model, cache, console, photos=photos, accept=accept, source=source)
    print_line(console, line)
    use = "new folders are indexed with it" if name == BETTER else f"index with `--model {name}`"
    print_line(console, f"{name} is installed; {use}")
    print_line(
        console,
        f"an indexed folder keeps its model: `imagesearch serve FOLDER --model {name}` builds the"
        " new index and switches to it while searches continue",
    )
    return cache / model.name
