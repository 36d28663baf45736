"""Self-test and calibration of a model folder, on this machine or in S3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagesearch.calibration.calibration_set import CalibrationSet, shipped_set
from imagesearch.embedding.self_test.own_photos import own_set
from imagesearch.embedding.self_test.run import recorded_result, self_tested, summary
from local.models.installed import model_folder
from local.terminal.output import counted_progress

if TYPE_CHECKING:
    from rich.console import Console


def calibrate_model(
    path: str,
    data_dir: Path,
    console: Console,
    captions: Path | None = None,
    accept: bool = False,
    against: str | None = None,
) -> dict[str, Any]:
    """Test and calibrate a model folder, or one in S3; returns its figures and their summary.

    Raises UsageError, Unavailable, ConfigurationError, ModelRefused.
    """
    photos = calibration_set(captions)
    float32 = model_folder(against, data_dir) if against else None

    def run(folder: Path) -> dict[str, Any]:
        line = self_test_with_progress(folder, photos, console, accept, float32, again=True)
        return {"model": path, "summary": line, **result_fields(folder)}

    return _in_s3(path, run) if path.startswith("s3://") else run(model_folder(path, data_dir))


def result_fields(folder: Path) -> dict[str, Any]:
    """The recorded result of a model's test; without one, it is not calibrated."""
    if not (found := recorded_result(folder)):
        return {"calibrated": False, "refusal": "", "figures": {}}
    calibrated = found.relevance is not None
    return {"calibrated": calibrated, "refusal": found.refusal, "figures": found.figures}


def _in_s3(uri: str, run: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Run in a copy of the folder, and upload the calibration or the refusal."""
    from imagesearch.adapters.s3.model_folder import S3ModelFolder
    from imagesearch.downloads.model_store import copied_model, put_calibration

    model = S3ModelFolder(uri)
    with copied_model(model) as folder:
        try:
            return run(folder)
        finally:
            # Also of a refusal, so that no function uses the model.
            put_calibration(folder, model)


def calibration_set(captions: Path | None) -> CalibrationSet:
    """The sample photos, or those of a file. Raises ConfigurationError."""
    samples = shipped_set()
    return own_set(captions, samples) if captions else samples


def self_test_with_progress(
    folder: Path,
    photos: CalibrationSet,
    console: Console,
    accept: bool,
    float32: Path | None,
    *,
    again: bool = False,
) -> str:
    """Test a folder, unless it has the result already; returns the result as a line."""
    with counted_progress(console, "testing the model") as progress:
        found = self_tested(
            folder, photos, float32=float32, accept=accept, progress=progress, again=again
        )
    return summary(folder, photos, found)
