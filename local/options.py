"""Options of all commands that read a folder: what is left out of it beside what is no image.

What the commands have in common: options, and exit statuses.

Reads the file of an image that something is asked about.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from imagesearch.adapters.filesystem.ignore_patterns import BrokenPattern, compiled
from imagesearch.adapters.filesystem.own_data import own_directory_around
from imagesearch.indexing.indexer import Limits
from local.errors import UsageError

Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        help="Leave out what matches, in gitignore syntax; may be given several times. Holds for"
        " this run: write it into a file .imagesearchignore in the folder to have it hold always.",
    ),
]
NoDefaultExcludes = Annotated[
    bool,
    typer.Option(
        "--no-default-excludes",
        help="Take hidden files and leftovers of other software (@eaDir, *.tmp, …), too.",
    ),
]


def use_excludes(folder: Path, exclude: Sequence[str] | None, no_defaults: bool) -> None:
    """Have the functions of this process leave these out. Raises WrongUsage.

    A folder of the product's own data is refused, as all in it is left out.
    """
    patterns = checked(exclude)
    folder = folder.expanduser().resolve()
    if own := own_directory_around(folder):
        raise UsageError(f"{folder} belongs to the data directory {own}: give a folder of images")
    os.environ["EXCLUDE"] = "\n".join(patterns)
    os.environ["DEFAULT_EXCLUDES"] = str(not no_defaults)


def checked(exclude: Sequence[str] | None) -> Sequence[str]:
    """The patterns, none of them broken. Raises WrongUsage."""
    for pattern in exclude or ():
        try:
            if "\n" in pattern or not pattern.isprintable():
                raise BrokenPattern("it is not one line of printable text")
            compiled(pattern)
        except BrokenPattern as error:
            raise UsageError(f"--exclude {pattern!r}: {error}") from error
    return exclude or ()


API_KEY = "IMAGESEARCH_API_KEY"
REJECTED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

DataDir = Annotated[Path, typer.Option(help="Where indexes are kept.")]
Model = Annotated[str | None, typer.Option(help="A model's name, or the path of its folder.")]
Endpoint = Annotated[
    str | None,
    typer.Option(metavar="URL", help=f"Ask this API instead; its key is in {API_KEY}."),
]
ForgetMissing = Annotated[
    bool,
    typer.Option(
        "--forget-missing",
        help="Delete the records of files on a disk that is away, or where nothing may be read.",
    ),
]
DATA_DIR = Path(".imagesearch")


# An image that can be indexed can be asked about: nothing here goes through an API's limits.
MOST_BYTES = Limits().file_bytes


def image_bytes(image: Path) -> bytes:
    """Raises WrongUsage for a file that cannot be read, or is too large."""
    try:
        with image.expanduser().open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {image}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise UsageError(f"{image} has more than {MOST_BYTES:,} bytes: save a smaller copy")
    return data
