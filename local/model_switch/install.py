"""Installation of a catalog model: download, self-test and calibration, with progress."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from imagesearch.calibration.calibration_set import shipped_set
from imagesearch.domain.errors import ImageSearchError
from imagesearch.embedding.model_catalog import CatalogEntry
from imagesearch.embedding.self_test.run import self_tested, summary
from local.model_sources import model_source
from local.models import Puller, original_of

if TYPE_CHECKING:
    from rich.console import Console

    from local.output import DownloadProgress

MEGABYTE = 1_000_000
DOWNLOADING, TESTING = "downloading", "testing"


def install(
    model: CatalogEntry, cache: Path, progress: Callable[[str, int, int | None], None]
) -> str:
    """Download and test a model, and return the result as a line.

    `progress` is called with the step (downloading or testing), and with the numbers of done and of
    all bytes or parts of the test. An exception that it raises ends the installation, which a later
    call resumes.

    Raises UsageError, Unavailable, NotFound, ConfigurationError, ModelRefused.
    """
    sizes = [pin.bytes for pin in model.pins.values()]
    # Files are downloaded in this order, and files of an earlier attempt are skipped.
    before = dict(zip(model.pins, accumulate(sizes, initial=0), strict=False))

    def downloaded(name: str, total: int | None, present: int) -> None:  # noqa: ARG001
        progress(DOWNLOADING, before[name] + present, model.bytes)

    return _install(model, cache, downloaded, lambda done, total: progress(TESTING, done, total))


def install_with_progress(model: CatalogEntry, cache: Path, console: Console) -> str:
    """Download and test a model with progress bars, and return the result as a line.

    Raises UsageError, Unavailable, NotFound, ConfigurationError, ModelRefused.
    """
    from local.output import counted_progress, download_progress

    with (
        download_progress(console) as downloaded,
        counted_progress(console, "testing the model") as tested,
    ):
        return _install(model, cache, downloaded, tested)


def _install(
    model: CatalogEntry,
    cache: Path,
    downloaded: DownloadProgress,
    tested: Callable[[int, int], None],
) -> str:
    photos = shipped_set()
    lines: list[str] = []

    def self_test(folder: Path) -> None:
        float32 = original_of(model, folder, cache)
        found = self_tested(folder, photos, float32=float32, progress=tested)
        lines.append(summary(folder, photos, found))

    Puller(cache, downloaded, self_test=self_test, source=model_source()).pull(model)
    return lines[-1]


def megabytes(size: int) -> str:
    """Such as `156 MB`."""
    return f"{size / MEGABYTE:,.0f} MB"


def failure_text(error: Exception) -> str:
    """The message of an error and its hint, as one line."""
    if isinstance(error, ImageSearchError):
        return "; ".join(filter(None, (error.message, error.hint)))
    return str(error)
