"""What the commands have in common: options, and exit statuses."""

from pathlib import Path
from typing import Annotated

import typer

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
