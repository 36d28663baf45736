"""The calibration set that ships as a model embeds it; adapters are tested and refitted on it."""

from __future__ import annotations

import numpy as np

from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.calibration.evidence import EDITS, PARTNER_EDIT, CalibrationVectors, Edited
from imagesearch.calibration.photo_embeddings import PhotoEmbeddings
from imagesearch.calibration.ports import Model, PhotoEditor


def sample_vectors(
    model: Model, photos: CalibrationSet, editor: PhotoEditor, *, image_queries: bool
) -> CalibrationVectors:
    """Captions and photos, and the edits that the tests need: all of them for image queries.

    Raises UnreadableImage.
    """
    captions = np.concatenate([model.texts.encode_texts([text]) for text in photos.captions])
    embeddings = PhotoEmbeddings(photos.photos, model.images, editor, lambda _: None)
    rows = range(len(photos.photos))
    names = EDITS if image_queries else (PARTNER_EDIT,)
    return CalibrationVectors(
        captions=captions,
        photos=embeddings.vectors(rows),
        edits={name: Edited.every(embeddings.vectors(rows, name)) for name in names},
        unanswerable={},
        labels=captions[:0],
        kinds=photos.kind_names,
    )
