"""Options that several commands share, their validation, and the exit statuses.

Imports only what `--help` can afford: no numpy, no pydantic.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from local.data_directory import DATA_DIR, default_data_dir
from local.errors import UsageError
from local.terminal.completion import installed_model_names

API_KEY = "IMAGESEARCH_API_KEY"
INCOMPLETE, WRONG_USAGE, INTERRUPTED = 1, 2, 130
# The status that shells report for a process that SIGPIPE ended: 128 + 13.
CLOSED_PIPE = 141
NOTHING_FOUND = 1
RESUMABLE = "Stopped. Progress is saved; run again to resume."


def end_without_results(message: str) -> NoReturn:
    """State on standard error that there is nothing to list, and end the command."""
    print(f"imagesearch: {message}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(NOTHING_FOUND)


ImageFolder = Annotated[Path, typer.Argument(help="Folder of images.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        help="Indexed folder. Default: the one around the current directory, or the last one used."
    ),
]
DerivedBucket = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="S3://BUCKET",
        help="Derived-data bucket of a deployed system, instead of a folder.",
    ),
]
IndexUrl = Annotated[
    str | None, typer.Option(help="OpenSearch endpoint, instead of that of the stack.")
]
Collection = Annotated[str | None, typer.Option(help="Only images below this subfolder.")]
InFolder = Annotated[
    Path | None,
    typer.Option(
        "--in", metavar="FOLDER", help="Only images in this folder inside the indexed folder."
    ),
]
Paths = Annotated[bool, typer.Option("--paths", help="Print file paths only, one a line.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines, and nothing else.")]


def _data_dir(context: typer.Context, given: Path) -> Path:
    """The data directory of a command; completion needs none."""
    if given != DATA_DIR or context.resilient_parsing:
        return given
    return default_data_dir()


DataDir = Annotated[
    Path,
    typer.Option(
        envvar="IMAGESEARCH_DATA_DIR", callback=_data_dir, help="Directory of the indexes."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Model name, or path of a model folder.", autocompletion=installed_model_names
    ),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help=f"Send the request to this deployed API; its key is read from {API_KEY}.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        help="Exclude files that match this gitignore pattern from this run; may be repeated."
        " For every run, write the pattern into a file .imagesearchignore in the folder.",
    ),
]
NoDefaultExcludes = Annotated[
    bool,
    typer.Option(
        "--no-default-excludes",
        help="Include hidden files and files of other software (@eaDir, *.tmp, …).",
    ),
]
ForgetMissing = Annotated[
    bool,
    typer.Option(
        "--forget-missing",
        help="Delete the records of files on an unmounted disk or without read permission.",
    ),
]


def set_excludes(folder: Path, exclude: Sequence[str] | None, no_defaults: bool) -> None:
    """Set the excludes of this process's functions.

    Raises UsageError for an invalid pattern, and for a folder inside a data directory, whose files
    are all excluded.
    """
    from imagesearch.adapters.filesystem.own_data import own_directory_around

    patterns = validated_patterns(exclude)
    folder = folder.expanduser().resolve()
    if own := own_directory_around(folder):
        raise UsageError(f"{folder} belongs to the data directory {own}: give a folder of images")
    os.environ["EXCLUDE"] = "\n".join(patterns)
    os.environ["DEFAULT_EXCLUDES"] = str(not no_defaults)


def validated_patterns(exclude: Sequence[str] | None) -> Sequence[str]:
    """The patterns of `--exclude`. Raises UsageError for an invalid one."""
    from imagesearch.adapters.filesystem.ignore_patterns import InvalidPattern, compile_pattern

    for pattern in exclude or ():
        try:
            if "\n" in pattern or not pattern.isprintable():
                raise InvalidPattern("it is not one line of printable text")
            compile_pattern(pattern)
        except InvalidPattern as error:
            raise UsageError(f"--exclude {pattern!r:.80}: {error}") from error
    return exclude or ()


def image_bytes(image: Path) -> bytes:
    """The content of a query image. Raises UsageError for a file that is unreadable or too large.

    The limit is that of indexing: every image that can be indexed can be a query.
    """
    from imagesearch.indexing.indexer import Limits

    max_bytes = Limits().file_bytes
    try:
        with image.expanduser().open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise UsageError(f"cannot read {image}: {error.strerror}") from error
    if len(data) > max_bytes:
        raise UsageError(f"{image} has more than {max_bytes:,} bytes: save a smaller copy")
    return data
