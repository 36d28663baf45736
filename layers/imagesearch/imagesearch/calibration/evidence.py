"""The data that relevance is fitted on and measured by: queries, with the photos to find.

Queries without a match are noise, documents, abstractions, code, and words in other languages for
things that the photos do not show. The set `choosing` was used to choose the method; the set
`reporting` was written afterwards, and is used for reporting only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from imagesearch.domain.images import Embedding
from imagesearch.search.relevance import Modality

CHOOSING, REPORTING = "choosing", "reporting"
Marks = npt.NDArray[np.bool_]
# Weights of text and image in mixed queries.
MIXTURES = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0))
PARTNER_EDIT = "cropped to 60 %"
# Edits by which retrieval and relevance are measured, and further copies for the duplicates.
EDITS = (
    "cropped to 60 %",
    "cropped to 30 %",
    "mirrored",
    "other colours",
    "grey",
    "tilted by 10°",
    "watermarked",
    "recompressed at 200 pixels",
)
COPIES = (
    "resized to a quarter",
    "cropped to 90 %",
    "cropped to 80 %",
    "mirrored, cropped to 80 %",
    "blurred",
    "captioned",
    "white border",
    "letterboxed",
    "tilted by 3°",
)


@dataclass(frozen=True)
class Edited:
    """Normalized embeddings [R, D] of edits of the photos with these rows [R]."""

    rows: npt.NDArray[np.int64]
    vectors: Embedding

    @classmethod
    def every(cls, vectors: Embedding) -> Edited:
        """Edits of all photos."""
        return cls(np.arange(len(vectors)), vectors)


@dataclass(frozen=True)
class CalibrationVectors:
    """Normalized embeddings of captions, photos, edits of the photos, queries without a match (by
    set) and label sentences, each [N, D]; and the kinds of the photos.

    The edit `PARTNER_EDIT` is of all photos.
    """

    captions: Embedding
    photos: Embedding
    edits: Mapping[str, Edited]
    unanswerable: Mapping[str, Embedding]
    labels: Embedding
    kinds: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Evidence:
    """Queries [Q, D] of one sort, with the photo [Q] that each is made from.

    `right` and `wrong` are masks of the photos for each query, [Q, N]; photos in neither are
    ambiguous.
    """

    queries: Embedding
    made_from: npt.NDArray[np.int64]
    right: Marks
    wrong: Marks

    def within(self, photos: Marks) -> Evidence:
        """The evidence among these photos only; `photos` is a mask [N]."""
        some = self.of_queries(photos)
        return replace(some, right=some.right & photos, wrong=some.wrong & photos)

    def of_queries(self, photos: Marks) -> Evidence:
        """The queries made from these photos, compared with all photos."""
        return self._rows(photos[self.made_from])

    def answered(self) -> Evidence:
        """The queries that have both right and wrong photos."""
        return self._rows(np.asarray(self.right.any(axis=1) & self.wrong.any(axis=1)))

    def _rows(self, rows: Marks) -> Evidence:
        return Evidence(
            self.queries[rows], self.made_from[rows], self.right[rows], self.wrong[rows]
        )


def evidence(vectors: CalibrationVectors) -> dict[Modality, list[Evidence]]:
    """One or more sorts for each kind of query, with equal weights."""
    return {
        Modality.TEXT: [caption_evidence(vectors)],
        Modality.IMAGE: [same_kind_evidence(vectors), edit_evidence(vectors)],
        Modality.MIXED: [mixed_evidence(vectors)],
    }


def caption_evidence(vectors: CalibrationVectors) -> Evidence:
    """A caption is right for its own photo, and wrong for all others, even similar ones."""
    own = np.eye(len(vectors.photos), dtype=bool)
    return Evidence(vectors.captions, np.arange(len(own)), own, ~own)


def same_kind_evidence(vectors: CalibrationVectors) -> Evidence:
    """An indexed photo should find the others of its kind."""
    same, own = _same_kind(vectors), np.eye(len(vectors.photos), dtype=bool)
    return Evidence(vectors.photos, np.arange(len(own)), same & ~own, ~same)


def edit_evidence(vectors: CalibrationVectors) -> Evidence:
    """An edited photo should find its original."""
    same, own = _same_kind(vectors), np.eye(len(vectors.photos), dtype=bool)
    edits = vectors.edits.values()
    rows = np.concatenate([edit.rows for edit in edits])
    queries = np.concatenate([edit.vectors for edit in edits])
    return Evidence(queries, rows, own[rows], ~same[rows])


def mixed_evidence(vectors: CalibrationVectors) -> Evidence:
    """A caption and an image of the same kind should find the photo with the caption."""
    same, own = _same_kind(vectors), np.eye(len(vectors.photos), dtype=bool)
    partners = _partners(vectors)
    queries = [_mixed(vectors.captions * words + partners * look) for words, look in MIXTURES]
    times = len(MIXTURES)
    return Evidence(
        np.concatenate(queries),
        np.tile(np.arange(len(own)), times),
        np.tile(own, (times, 1)),
        np.tile(~same, (times, 1)),
    )


def _partners(vectors: CalibrationVectors) -> Embedding:
    """For each photo the next of its kind, or without one a crop of itself: [N, D]."""
    chosen = []
    for place, kind in enumerate(vectors.kinds):
        members = np.flatnonzero(vectors.kinds == kind)
        following = members[(int(np.flatnonzero(members == place)[0]) + 1) % len(members)]
        alone = following == place
        chosen.append(
            vectors.edits[PARTNER_EDIT].vectors[place] if alone else vectors.photos[following]
        )
    return np.stack(chosen)


def _mixed(sums: Embedding) -> Embedding:
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)


def _same_kind(vectors: CalibrationVectors) -> Marks:
    return np.asarray(vectors.kinds[:, None] == vectors.kinds)
