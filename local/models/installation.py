"""Installation of a catalog model with progress bars: download, self-test and calibration."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imagesearch.embedding.model_catalog import CatalogEntry
from local.models.calibration import calibration_set, self_test_with_progress
from local.models.puller import Puller, original_of
from local.models.sources import model_source
from local.terminal.output import download_progress, print_line, waiting_line

if TYPE_CHECKING:
    from rich.console import Console

    from imagesearch.calibration.calibration_set import CalibrationSet


def install_with_progress(
    model: CatalogEntry,
    cache: Path,
    console: Console,
    *,
    photos: CalibrationSet | None = None,
    accept: bool = False,
    source: str | None = None,
) -> str:
    """Download, test and calibrate a model, and return the result as a line.

    `photos` replaces the sample photos. `source` is that of `model_source`.

    Raises UsageError, Unavailable, NotFound, ConfigurationError, ModelRefused.
    """
    photos = photos or calibration_set(None)
    lines: list[str] = []

    def self_test(folder: Path) -> None:
        float32 = original_of(model, folder, cache)
        lines.append(self_test_with_progress(folder, photos, console, accept, float32))

    with download_progress(console) as progress:
        Puller(
            cache,
            progress,
            self_test=self_test,
            notice=partial(print_line, console),
            source=model_source(source),
            waiting=waiting_line(console),
        ).pull(model)
    return lines[-1]
