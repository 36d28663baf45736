"""`imagesearch tune`: fit a query adapter on stored feedback, and use it if it proves better."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.data_directory import DATA_DIR
from local.errors import UsageError
from local.options import DataDir, DerivedBucket, Folder, Json, Model

if TYPE_CHECKING:
    from imagesearch.learning.tuning import Tuned


def tune(
    origin: DerivedBucket = None,
    feedback: Annotated[
        Path | None,
        typer.Option(
            "--feedback",
            metavar="FILE",
            help="Feedback that `imagesearch feedback export` printed, instead of the stored one.",
        ),
    ] = None,
    folder: Folder = None,
    as_json: Json = False,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Fit a query adapter on the stored feedback, and use it if held-out queries improve.

    Queries by text and by image are fitted apart. The index does not change. A running server uses
    the adapter from the next search on, a deployed system within a minute.
    """
    from local.terminal.tables import print_json_lines

    result = tune_place(origin, feedback, folder, data_dir, model)
    if as_json:
        print_json_lines([result.as_json()])
        return
    for line in result.lines:
        print(line)  # noqa: T201


@dataclass(frozen=True)
class TuneResult:
    """The result in sentences, one a modality; `tuned` is None without opinions."""

    lines: list[str]
    tuned: Tuned | None = None

    def as_json(self) -> dict[str, Any]:
        """The number of the adopted adapter or None, and the figures of each modality."""
        findings = self.tuned.findings if self.tuned else ()
        adapter = self.tuned.adapter if self.tuned else None
        return {
            "adapter": adapter.number if adapter else None,
            "findings": [
                {"modality": each.modality, "adopted": each.map is not None, "reason": each.reason}
                | each.figures()
                for each in findings
            ],
        }


def tune_place(
    origin: str | None,
    feedback: Path | None,
    folder: Path | None,
    data_dir: Path,
    model: str | None,
) -> TuneResult:
    """Fit an adapter, and use it if it is better. Raises UsageError, and the use case's errors."""
    from local.tuning import place_of

    tuner = place_of(origin, folder, data_dir, model).tuner
    lines = _lines(feedback) if feedback else None
    found = tuner.run(tuner.opinions if lines is None else lambda: tuner.opinions_in(lines))
    if not found.findings:
        model = tuner.adapters.space.model
        return TuneResult([f"no opinions on queries of the model {model}: not adopted."])
    return TuneResult(found.sentences(), found)


def _lines(file: Path) -> list[str]:
    try:
        return file.expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
