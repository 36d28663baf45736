"""Installation of a catalog model for a server, and the test of model folders."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from imagesearch.calibration.calibration_set import shipped_set
from imagesearch.domain.errors import ImageSearchError
from imagesearch.embedding.model_catalog import CatalogEntry
from imagesearch.embedding.self_test.run import self_tested, summary
from local.models.calibration import self_test_with_progress
from local.models.installed import model_folder, must_be_tested
from local.models.puller import Puller, original_of
from local.models.sources import model_source
from local.terminal.output import print_line

if TYPE_CHECKING:
    from rich.console import Console

MEGABYTE = 1_000_000
DOWNLOADING, TESTING = "downloading", "testing"
POLL_SECONDS = 0.1
# Called with the step, the numbers of done and of all bytes or parts of the test, and the reason
# for a delay.
Progress: TypeAlias = Callable[[str, int, int | None, str], None]


def install(model: CatalogEntry, cache: Path, progress: Progress) -> str:
    """Download and test a model, and return the result as a line.

    An exception that `progress` raises ends the installation, which a later call resumes.

    Raises UsageError, Unavailable, NotFound, ConfigurationError, ModelRefused.
    """
    sizes = [pin.bytes for pin in model.pins.values()]
    # Files are downloaded in this order, and files of an earlier attempt are skipped.
    before = dict(zip(model.pins, accumulate(sizes, initial=0), strict=False))
    done, reason = 0, ""

    def downloaded(name: str, total: int | None, present: int) -> None:  # noqa: ARG001
        nonlocal done, reason
        done, reason = before[name] + present, ""
        progress(DOWNLOADING, done, model.bytes, reason)

    def waiting(why: str, seconds: float) -> None:
        nonlocal reason
        reason = f"{why}; the next attempt is in {seconds:.0f} s"
        progress(DOWNLOADING, done, model.bytes, reason)

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(POLL_SECONDS, left))
            progress(DOWNLOADING, done, model.bytes, reason)

    lines: list[str] = []

    def self_test(folder: Path) -> None:
        lines.append(_tested(folder, progress, original_of(model, folder, cache)))

    source = model_source()
    Puller(
        cache, downloaded, self_test=self_test, source=source, waiting=waiting, pause=pause
    ).pull(model)
    return lines[-1]


def test_folder(folder: Path, progress: Progress) -> str:
    """Test the model of a folder in place, and return the result as a line.

    Raises ConfigurationError, ModelRefused.
    """
    return _tested(folder, progress)


def ensure_tested(name: str, data_dir: Path, console: Console) -> None:
    """Test an installed model, or that of a folder, with a progress bar if it has no result.

    Raises UsageError, ConfigurationError, ModelRefused.
    """
    folder = model_folder(name, data_dir)
    if must_be_tested(name, folder):
        print_line(console, self_test_with_progress(folder, shipped_set(), console, False, None))


def _tested(folder: Path, progress: Progress, float32: Path | None = None) -> str:
    def report(done: int, total: int) -> None:
        progress(TESTING, done, total, "")

    photos = shipped_set()
    found = self_tested(folder, photos, float32=float32, progress=report)
    return summary(folder, photos, found)


def megabytes(size: int) -> str:
    """Such as `156 MB`."""
    return f"{size / MEGABYTE:,.0f} MB"


def failure_text(error: Exception) -> str:
    """The message of an error and its hint, as one line."""
    if isinstance(error, ImageSearchError):
        return "; ".join(filter(None, (error.message, error.hint)))
    return str(error)
