"""Queries of each kind with what they should find, for fitting relevance and for measuring it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from imagesearch.search.relevance import Kind
from models.quantise import Floats
from models.relevance_vectors import RelevanceVectors

Marks = npt.NDArray[np.bool_]
# How much words and picture weigh in mixed queries.
MIXTURES = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0))
PARTNER_EDIT = "crop to 60 %"


@dataclass(frozen=True)
class Evidence:
    """Queries [Q, D] of one sort, the photo [Q] that each is made from, and for every photo
    whether it is `right` or `wrong` for the query, [Q, N]; where it is neither, nobody can say."""

    queries: Floats
    made_from: npt.NDArray[np.int64]
    right: Marks
    wrong: Marks

    def within(self, photos: Marks) -> Evidence:
        """The part that knows of no others than these photos, [N] marks."""
        some = self.of_queries(photos)
        return replace(some, right=some.right & photos, wrong=some.wrong & photos)

    def of_queries(self, photos: Marks) -> Evidence:
        """The queries that are made from these photos, against all photos."""
        return self._rows(photos[self.made_from])

    def answered(self) -> Evidence:
        """The queries for which some photo is right and some is wrong."""
        return self._rows(np.asarray(self.right.any(axis=1) & self.wrong.any(axis=1)))

    def _rows(self, rows: Marks) -> Evidence:
        return Evidence(
            self.queries[rows], self.made_from[rows], self.right[rows], self.wrong[rows]
        )


def evidence(vectors: RelevanceVectors) -> dict[Kind, list[Evidence]]:
    """For each kind of query one or more sorts, which count alike."""
    return {
        Kind.TEXT: [caption_evidence(vectors)],
        Kind.IMAGE: [same_kind_evidence(vectors), edit_evidence(vectors)],
        Kind.MIXED: [mixed_evidence(vectors)],
    }


def caption_evidence(vectors: RelevanceVectors) -> Evidence:
    """A caption is right for its own photo and wrong for every other one, however like it is."""
    own = np.eye(len(vectors.photos), dtype=bool)
    return Evidence(vectors.captions, np.arange(len(own)), own, ~own)


def same_kind_evidence(vectors: RelevanceVectors) -> Evidence:
    """An indexed photo should find the others of its kind."""
    same, own = _same_kind(vectors), np.eye(len(vectors.photos), dtype=bool)
    return Evidence(vectors.photos, np.arange(len(own)), same & ~own, ~same)


def edit_evidence(vectors: RelevanceVectors) -> Evidence:
    """An edited photo should find its original."""
    same, own = _same_kind(vectors), np.eye(len(vectors.photos), dtype=bool)
    times = len(vectors.edits)
    return Evidence(
        np.concatenate(list(vectors.edits.values())),
        np.tile(np.arange(len(own)), times),
        np.tile(own, (times, 1)),
        np.tile(~same, (times, 1)),
    )


def mixed_evidence(vectors: RelevanceVectors) -> Evidence:
    """A caption and a picture of the same kind should find the photo with the caption."""
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


def _partners(vectors: RelevanceVectors) -> Floats:
    """For each photo the next one of its kind, or where it is alone a part of itself: [N, D]."""
    chosen = []
    for place, kind in enumerate(vectors.kinds):
        members = np.flatnonzero(vectors.kinds == kind)
        following = members[(int(np.flatnonzero(members == place)[0]) + 1) % len(members)]
        alone = following == place
        chosen.append(vectors.edits[PARTNER_EDIT][place] if alone else vectors.photos[following])
    return np.stack(chosen)


def _mixed(sums: Floats) -> Floats:
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)


def _same_kind(vectors: RelevanceVectors) -> Marks:
    return np.asarray(vectors.kinds[:, None] == vectors.kinds)
