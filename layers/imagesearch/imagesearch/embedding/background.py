"""A model's calibration: the background vectors that its queries are held against, and curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imagesearch.domain import Embedding
from imagesearch.embedding.manifest import Calibration, Manifest, RelevanceCurve
from imagesearch.embedding.model_files import verified
from imagesearch.embedding.vectors import normalised
from imagesearch.errors import ConfigurationError
from imagesearch.relevance import Curve, Kind, Relevance


def relevance(folder: Path, manifest: Manifest) -> Relevance | None:
    """None for a model that is not calibrated; raises ConfigurationError."""
    said = manifest.relevance
    if said is None:
        return None
    background = _background(verified(folder, said.background, manifest), manifest, said)
    curves = {kind: _curve(getattr(said, kind)) for kind in Kind}
    return Relevance(background, said.neighbours, curves)


def _background(path: Path, manifest: Manifest, said: Calibration) -> Embedding:
    """[N, D], L2-normalised; a row of int8 is a direction, so it needs no scale."""
    try:
        with path.open("rb") as file:
            rows = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _wrong(f"{path} is no array of numpy's: {error}") from error
    if rows.dtype != np.int8 or rows.ndim != 2 or rows.shape[1] != manifest.dimension:
        found, wanted = f"{rows.dtype} {list(rows.shape)}", f"int8 [N, {manifest.dimension}]"
        raise _wrong(f"{path} holds {found} instead of {wanted}")
    if len(rows) < said.neighbours:
        raise _wrong(f"{path} has {len(rows)} vectors, fewer than the {said.neighbours} neighbours")
    vectors, good = normalised(rows)
    if not good.all():
        raise _wrong(f"{path} has a vector without a direction in row {int(np.argmin(good))}")
    return vectors


def _curve(said: RelevanceCurve) -> Curve:
    return Curve(said.slope, said.base, said.nearness)


def _wrong(message: str) -> ConfigurationError:
    hint = "calibrate the model again (docs/relevance.md), or fetch it again"
    return ConfigurationError(message, hint, code="invalid_model")
