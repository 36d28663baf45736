"""The relevance calibration of a model: background vectors and curves, from its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.images import Embedding
from imagesearch.embedding.manifest import KindCalibration, Manifest, verify_file
from imagesearch.embedding.session import normalized
from imagesearch.search.relevance import Background, Curve, Modality, Relevance


def relevance(folder: Path, manifest: Manifest) -> Relevance | None:
    """The calibration; None for a model without one. Raises ConfigurationError."""
    calibration = manifest.relevance
    if calibration is None:
        return None
    vectors = {
        name: _vectors(verify_file(folder, name, manifest), manifest.dimension)
        for name in calibration.backgrounds
    }
    return Relevance(
        {kind: _calibrated(folder, getattr(calibration, kind), vectors) for kind in Modality}
    )


def _calibrated(
    folder: Path, section: KindCalibration, vectors: dict[str, Embedding]
) -> tuple[Background, Curve]:
    rows = vectors[section.background]
    if len(rows) < section.neighbours:
        path = folder / section.background
        raise _invalid(
            f"{path} has {len(rows)} vectors, fewer than the {section.neighbours} neighbors"
        )
    return Background(rows, section.neighbours), Curve(
        section.slope, section.base, section.nearness
    )


def _vectors(path: Path, dimension: int) -> Embedding:
    """[N, D] float32, L2-normalized; the file has int8 without a scale."""
    try:
        with path.open("rb") as file:
            rows = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _invalid(f"{path} is not a NumPy array: {error}") from error
    if rows.dtype != np.int8 or rows.ndim != 2 or rows.shape[1] != dimension:
        actual, expected = f"{rows.dtype} {list(rows.shape)}", f"int8 [N, {dimension}]"
        raise _invalid(f"{path} contains {actual} instead of {expected}")
    vectors, good = normalized(rows)
    if not good.all():
        raise _invalid(f"{path} has a vector of length 0 in row {int(np.argmin(good))}")
    return vectors


def _invalid(message: str) -> ConfigurationError:
    hint = "calibrate the model again (docs/how-to/tune-relevance.md), or download it again"
    return ConfigurationError(message, hint, code="invalid_model")
