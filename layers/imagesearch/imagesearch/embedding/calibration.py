"""A model's calibration: the background vectors that its queries are held against, and curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.images import Embedding
from imagesearch.embedding.manifest import KindCalibration, Manifest, verified
from imagesearch.embedding.session import normalized
from imagesearch.search.relevance import Background, Curve, Modality, Relevance


def relevance(folder: Path, manifest: Manifest) -> Relevance | None:
    """None for a model that is not calibrated; raises ConfigurationError."""
    said = manifest.relevance
    if said is None:
        return None
    vectors = {
        name: _vectors(verified(folder, name, manifest), manifest.dimension)
        for name in said.backgrounds
    }
    return Relevance({kind: _calibrated(folder, getattr(said, kind), vectors) for kind in Modality})


def _calibrated(
    folder: Path, said: KindCalibration, vectors: dict[str, Embedding]
) -> tuple[Background, Curve]:
    rows = vectors[said.background]
    if len(rows) < said.neighbours:
        path = folder / said.background
        raise _wrong(f"{path} has {len(rows)} vectors, fewer than the {said.neighbours} neighbours")
    return Background(rows, said.neighbours), Curve(said.slope, said.base, said.nearness)


def _vectors(path: Path, dimension: int) -> Embedding:
    """[N, D], L2-normalized; a row of int8 is a direction, so it needs no scale."""
    try:
        with path.open("rb") as file:
            rows = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _wrong(f"{path} is no array of numpy's: {error}") from error
    if rows.dtype != np.int8 or rows.ndim != 2 or rows.shape[1] != dimension:
        found, wanted = f"{rows.dtype} {list(rows.shape)}", f"int8 [N, {dimension}]"
        raise _wrong(f"{path} holds {found} instead of {wanted}")
    vectors, good = normalized(rows)
    if not good.all():
        raise _wrong(f"{path} has a vector without a direction in row {int(np.argmin(good))}")
    return vectors


def _wrong(message: str) -> ConfigurationError:
    hint = "calibrate the model again (docs/how-to/tune-relevance.md), or fetch it again"
    return ConfigurationError(message, hint, code="invalid_model")
