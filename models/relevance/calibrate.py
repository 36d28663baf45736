"""Calibrates the relevance of the starter model: backgrounds, and curves from cosine to relevance.

python -m models.relevance.calibrate FOLDER [--samples DIR]

Writes the backgrounds, the manifest's `relevance` and the figures in its `quality`. Image vectors
do not change, so indexes stay valid. `imagesearch models calibrate` calibrates other models.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.calibration.calibrator import Calibrator, Fitted
from imagesearch.calibration.relevance_figures import Figures
from imagesearch.calibration.relevance_fit import PRIOR, NothingToFit
from imagesearch.domain.errors import ImageSearchError
from imagesearch.embedding.manifest import MANIFEST, load_manifest
from imagesearch.embedding.self_test.edits import PillowEditor
from imagesearch.embedding.self_test.onnx_model import OnnxModel
from imagesearch.search.relevance import Modality
from models.calibration_set import samples_set
from models.starter.sources import sha256

LABELS, PHOTOS = "background-labels.npy", "background-photos.npy"
COMMAND = "python -m models.relevance.calibrate"
# Targets of the starter model: in percent, in images per query, and an area under the curve.
LEAST_KEPT, MOST_LET_THROUGH, MOST_NONSENSE, LEAST_AUC = 80, 4, 1, 0.97


@dataclass(frozen=True)
class Calibrated:
    """Figures of cross-validation, and of the final fit on all samples."""

    held_out: Figures
    on_all: Figures

    def as_manifest(self) -> dict[str, object]:
        return asdict(self) | {"prior": PRIOR, "command": COMMAND}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 calibrated, 1 no calibration possible, 2 not a model folder."""
    parser = argparse.ArgumentParser(
        prog="models.relevance.calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    options = parser.parse_args(arguments)
    try:
        found = calibrate(options.folder, samples_set(options.samples))
    except ImageSearchError as wrong:
        print(f"models.relevance.calibrate: {wrong}", file=sys.stderr)
        return 2
    except NothingToFit as unfit:
        print(f"models.relevance.calibrate: {options.folder}: {unfit}", file=sys.stderr)
        return 1
    print(table(found))
    return 0


def calibrate(folder: Path, photos: CalibrationSet) -> Calibrated:
    """Raises NothingToFit, and then leaves the folder unchanged."""
    model = OnnxModel(folder, load_manifest(folder))
    try:
        outcome = Calibrator(model, photos, PillowEditor()).run()
    finally:
        model.close()
    if outcome.fitted is None:
        raise NothingToFit(outcome.refusal)
    return write_calibration(folder, outcome.fitted)


def write_calibration(folder: Path, fitted: Fitted) -> Calibrated:
    """Write the calibration to the manifest; all other fields stay unchanged."""
    np.save(folder / LABELS, fitted.labels)
    np.save(folder / PHOTOS, fitted.photos)
    found = Calibrated(fitted.held_out, fitted.on_all)
    path = folder / MANIFEST
    manifest = json.loads(path.read_text("utf-8"))
    for name in (LABELS, PHOTOS):
        entry = {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
        manifest["files"][name] = entry
    manifest["relevance"] = _stated(fitted)
    figures = {"relevance": found.as_manifest()}
    manifest["quality"] = (manifest.pop("quality", None) or {}) | figures
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return found


def faults(found: Calibrated) -> list[str]:
    """The reasons to reject the starter model; empty if there are none."""
    return [
        fault
        for name, figures in (("held out", found.held_out), ("on all", found.on_all))
        for fault in figure_faults(name, figures)
    ]


def table(found: Calibrated) -> str:
    apart, shipped = found.held_out.as_manifest(), found.on_all.as_manifest()
    rows = [("at relevance 0.5", "held out", "on all")]
    rows += [(name.replace("_", " "), str(apart[name]), str(shipped[name])) for name in apart]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def figure_faults(name: str, found: Figures) -> list[str]:
    """The targets that the figures miss."""
    wrong = []
    if not found.text_kept >= LEAST_KEPT:
        wrong.append(f"{name}: {found.text_kept} % of the right photos are kept: {LEAST_KEPT} must")
    if not found.text_let_through <= MOST_LET_THROUGH:
        wrong.append(f"{name}: {found.text_let_through} wrong photos a caption: {MOST_LET_THROUGH}")
    if not found.nonsense_let_through <= MOST_NONSENSE:
        wrong.append(f"{name}: {found.nonsense_let_through} photos for nonsense: {MOST_NONSENSE}")
    if not found.text_auc >= LEAST_AUC:
        wrong.append(f"{name}: the area is {found.text_auc}, below {LEAST_AUC}")
    return wrong


def _stated(fitted: Fitted) -> Mapping[str, object]:
    return {
        kind.value: {
            "background": LABELS if kind is Modality.TEXT else PHOTOS,
            "neighbours": fitted.neighbors[kind],
        }
        | asdict(curve)
        for kind, curve in fitted.curves.items()
    }


if __name__ == "__main__":
    raise SystemExit(main())
