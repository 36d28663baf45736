"""Fits the relevance curves of a model with a query adapter, on its calibration set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from imagesearch.calibration.evidence import (
    CalibrationVectors,
    Evidence,
    caption_evidence,
    edit_evidence,
    mixed_evidence,
    same_kind_evidence,
)
from imagesearch.calibration.relevance_fit import Backgrounds, fit_curve
from imagesearch.search.query_adapter import QueryMap
from imagesearch.search.relevance import Curve, Modality


def refitted_curves(
    vectors: CalibrationVectors,
    backgrounds: Backgrounds,
    maps: Mapping[Modality, QueryMap],
    changed: Collection[Modality],
) -> dict[Modality, Curve]:
    """The curves of the modalities whose maps have changed, and of mixtures. Raises NothingToFit.

    maps: all maps, as mixtures depend on both.
    """
    fitted = {*changed, Modality.MIXED} if changed else set()
    sorts = {modality: _evidence(vectors, modality, maps) for modality in fitted}
    return {
        modality: fit_curve(modality, found, vectors.photos, backgrounds)
        for modality, found in sorts.items()
    }


def _evidence(
    vectors: CalibrationVectors, modality: Modality, maps: Mapping[Modality, QueryMap]
) -> list[Evidence]:
    if modality is Modality.MIXED:
        return [mixed_evidence(_moved(vectors, maps))]
    move = maps[modality].applied
    if modality is Modality.TEXT:
        found = [caption_evidence(vectors)]
    else:
        found = [same_kind_evidence(vectors), edit_evidence(vectors)]
    return [replace(each, queries=move(each.queries)) for each in found]


def _moved(vectors: CalibrationVectors, maps: Mapping[Modality, QueryMap]) -> CalibrationVectors:
    """The captions, photos and edits as queries: as parts of mixtures."""

    def move(modality: Modality, rows: np.ndarray) -> np.ndarray:
        return maps[modality].applied(rows) if modality in maps else rows

    return replace(
        vectors,
        captions=move(Modality.TEXT, vectors.captions),
        photos=move(Modality.IMAGE, vectors.photos),
        edits={
            name: replace(edit, vectors=move(Modality.IMAGE, edit.vectors))
            for name, edit in vectors.edits.items()
        },
    )
