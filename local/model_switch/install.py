"""Installation of a catalog model: download, self-test and calibration, with progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from imagesearch.calibration.calibration_set import shipped_set
from imagesearch.domain.errors import ImageSearchError
from imagesearch.embedding.model_catalog import CatalogEntry
from imagesearch.embedding.self_test.run import self_tested, summary
from local.models.installed import model_folder, must_be_tested
from local.models.puller import Puller, original_of
from local.models.sources import model_source

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

    puller = Puller(cache, downloaded, source=model_source(), waiting=waiting, pause=pause)
    return _install(model, puller, lambda now, total: progress(TESTING, now, total, ""))


def install_with_progress(model: CatalogEntry, cache: Path, console: Console) -> str:
    """Download and test a model with progress bars, and return the result as a line.

    Raises UsageError, Unavailable, NotFound, ConfigurationError, ModelRefused.
    """
    from local.terminal.output import counted_progress, download_progress, print_line, waiting_line

    with (
        download_progress(console) as downloaded,
        counted_progress(console, "testing the model") as tested,
    ):
        puller = Puller(
            cache,
            downloaded,
            source=model_source(),
            notice=partial(print_line, console),
            waiting=waiting_line(console),
        )
        return _install(model, puller, tested)


def test_folder(folder: Path, progress: Progress) -> str:
    """Test the model of a folder in place, and return the result as a line.

    Raises ConfigurationError, ModelRefused.
    """
    return _tested(folder, lambda now, total: progress(TESTING, now, total, ""))


def ensure_tested(name: str, data_dir: Path, console: Console) -> None:
    """Test an installed model, or that of a folder, with a progress bar if it has no result.

    Raises UsageError, ConfigurationError, ModelRefused.
    """
    from local.terminal.output import counted_progress, print_line

    folder = model_folder(name, data_dir)
    if must_be_tested(name, folder):
        with counted_progress(console, "testing the model") as progress:
            line = _tested(folder, progress)
        print_line(console, line)


def _tested(folder: Path, progress: Callable[[int, int], None], float32: Path | None = None) -> str:
    photos = shipped_set()
    found = self_tested(folder, photos, float32=float32, progress=progress)
    return summary(folder, photos, found)


def _install(model: CatalogEntry, puller: Puller, tested: Callable[[int, int], None]) -> str:
    lines: list[str] = []

    def self_test(folder: Path) -> None:
        lines.append(_tested(folder, tested, original_of(model, folder, puller.cache)))

    replace(puller, self_test=self_test).pull(model)
    return lines[-1]


def megabytes(size: int) -> str:
    """Such as `156 MB`."""
    return f"{size / MEGABYTE:,.0f} MB"


def failure_text(error: Exception) -> str:
    """The message of an error and its hint, as one line."""
    if isinstance(error, ImageSearchError):
        return "; ".join(filter(None, (error.message, error.hint)))
    return str(error)
