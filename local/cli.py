"""Command line `imagesearch`: registers the commands and maps errors to exit statuses.

Commands import numpy, pydantic, onnxruntime, httpx, boto3 and Pillow inside their bodies, so that
`--help` stays fast.
"""

import os
import sys
from io import TextIOWrapper
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    raise SystemExit(
        "imagesearch: the command needs the extra `local`: pipx install './imagesearch[local]'"
    ) from None

from imagesearch.domain.errors import ImageSearchError, ModelRefused
from local.commands.adapters import adapters
from local.commands.aws.backfill import backfill
from local.commands.aws.push import push
from local.commands.aws.redrive import redrive
from local.commands.aws.smoke import smoke
from local.commands.classify import classify
from local.commands.duplicates import duplicates
from local.commands.feedback import feedback
from local.commands.images import list_images, show
from local.commands.index import index
from local.commands.labels import labels
from local.commands.models import models
from local.commands.reindex import reindex
from local.commands.search import search, similar
from local.commands.serve import serve
from local.commands.status import status
from local.commands.tune import tune
from local.commands.verify import verify
from local.errors import Interrupted, UsageError, error_text
from local.examples import GroupWithExamples
from local.image_argument import ImageCommand
from local.options import CLOSED_PIPE, INCOMPLETE, INTERRUPTED, WRONG_USAGE

app = typer.Typer(
    no_args_is_help=True,
    cls=GroupWithExamples,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Entry point of the command `imagesearch`.

    If the reader of the output has ended, such as `head`, the command ends silently.
    """
    # Before numpy is imported: on a busy machine, synchronizing the threads of small products of
    # matrices takes ten times the CPU time of the products.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, TextIOWrapper):
            # Names may have characters that the encoding of the output has not.
            output.reconfigure(errors="backslashreplace")
    try:
        _run()
    except (BrokenPipeError, SystemExit) as end:
        if not _is_output_closed(end):
            raise
        nothing = os.open(os.devnull, os.O_WRONLY)
        for output in (sys.stdout, sys.stderr):
            os.dup2(nothing, output.fileno())
        sys.exit(CLOSED_PIPE)


def _is_output_closed(end: BaseException) -> bool:
    """True if output was lost; typer and rich replace the error with `SystemExit(1)`."""
    try:
        for output in filter(None, (sys.stdout, sys.stderr)):
            output.flush()
    except BrokenPipeError:
        return True
    return any(isinstance(each, BrokenPipeError) for each in (end, end.__context__))


def _run() -> None:
    try:
        app()
    except UsageError as error:
        _exit(str(error), WRONG_USAGE)
    except ModelRefused as error:
        _exit(error_text(error), INCOMPLETE)
    except ImageSearchError as error:
        _exit(error_text(error), WRONG_USAGE)
    except Interrupted as stopped:
        _exit(str(stopped), INTERRUPTED)
    except KeyboardInterrupt:  # while a shell completes a word; typer handles it in commands
        sys.exit(INTERRUPTED)


def _exit(message: str, status: int) -> None:
    print(f"imagesearch: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


def _show_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        print(version("imagesearch"))  # noqa: T201
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Search the images in an S3 bucket or a folder by text or by example image."""
    import logging

    # Libraries report only errors: "Task queue depth is 1" of waitress is no news for the user.
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    for package in ("functions", "imagesearch", "local"):
        logging.getLogger(package).setLevel(logging.WARNING)


app.command()(serve)
app.command()(index)
app.command()(push)
app.command()(backfill)
app.command()(redrive)
app.command()(search)
app.command(cls=ImageCommand)(similar)
app.command("list")(list_images)
app.command(cls=ImageCommand)(show)
app.command()(status)
app.command()(classify)
app.command()(duplicates)
app.command()(reindex)
app.command()(smoke)
app.command()(verify)
app.command()(tune)
app.add_typer(adapters, name="adapters")
app.add_typer(feedback, name="feedback")
app.add_typer(labels, name="labels")
app.add_typer(models, name="models")
