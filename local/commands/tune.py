"""`imagesearch tune`: fit a query adapter on stored feedback, and use it if it proves better."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from local.errors import UsageError
from local.options import DATA_DIR, DataDir, Folder, Model

Origin = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="S3://BUCKET",
        help="Derived-data bucket of a deployed system, instead of a folder.",
    ),
]


def tune(
    origin: Origin = None,
    feedback: Annotated[
        Path | None,
        typer.Option(
            "--feedback",
            metavar="FILE",
            help="Feedback that `imagesearch feedback export` printed, instead of the stored one.",
        ),
    ] = None,
    folder: Folder = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Fit a query adapter on the stored feedback, and use it if held-out queries improve.

    Queries by text and by image are fitted apart. The index does not change. A running server uses
    the adapter from the next search on, a deployed system within a minute.
    """
    for line in tune_place(origin, feedback, folder, data_dir, model):
        print(line)  # noqa: T201


def tune_place(
    origin: str | None,
    feedback: Path | None,
    folder: Path | None,
    data_dir: Path,
    model: str | None,
) -> list[str]:
    """The result, one sentence a modality. Raises UsageError, and the errors of the use case."""
    # The matrices are small: on a busy machine, synchronizing threads takes most of the time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from local.tuning import place_of

    tuner = place_of(origin, folder, data_dir, model).tuner
    opinions = tuner.opinions_in(_lines(feedback)) if feedback else tuner.opinions()
    if not opinions:
        return [f"no opinions on queries of the model {tuner.adapters.space.model}: not adopted."]
    return tuner.run(opinions).sentences()


def _lines(file: Path) -> list[str]:
    try:
        return file.expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
