"""A self-test for models of a few bytes, which writes a calibration or raises ModelRefused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from imagesearch.domain.errors import ModelRefused
from imagesearch.downloads.http_download import digest
from imagesearch.embedding.calibration_file import CALIBRATION, CalibrationFile, model_digest
from imagesearch.embedding.manifest import MANIFEST, FileEntry, load_manifest
from tests.support.models.tiny_model import FILES

BACKGROUND = "calibration-labels-000000000000.npy"
NO_FIGURES: Mapping[str, Any] = MappingProxyType({})


class RecordingTest:
    """Counts its runs; raises ModelRefused with the `refusal`, if one is set."""

    def __init__(self) -> None:
        self.runs = 0
        self.refusal = ""

    def is_current(self, folder: Path) -> bool:
        return (folder / CALIBRATION).is_file() and (folder / BACKGROUND).is_file()

    def run(self, folder: Path, progress: Callable[[int, int], None]) -> None:
        self.runs += 1
        assert all((folder / name).is_file() for name in (*FILES, MANIFEST))
        progress(1, 2)
        if self.refusal:
            raise ModelRefused(self.refusal)
        write_result(folder)


def write_result(folder: Path, figures: Mapping[str, Any] = NO_FIGURES) -> CalibrationFile:
    np.save(folder / BACKGROUND, np.ones((10, 4), np.int8))
    path = folder / BACKGROUND
    kind = {"background": BACKGROUND, "neighbours": 10, "slope": 9.0, "base": 0.1, "nearness": 0.5}
    written = CalibrationFile(
        model=model_digest(load_manifest(folder)),
        calibration_set=("samples", "0" * 16),
        relevance=dict.fromkeys(("text", "image", "mixed"), kind),  # type: ignore[arg-type]
        files={BACKGROUND: FileEntry(sha256=digest(path), bytes=path.stat().st_size)},
        figures=dict(figures),
    )
    (folder / CALIBRATION).write_text(written.as_text())
    return written
