"""Compares a model's preprocessing with variants of it, to detect a manifest that is wrong.

A wrong order of the channels or a wrong mean costs a robust model few photos, so recall alone does
not show it. The separation does: of each photo, the cosine to its caption minus the mean cosine to
other texts, in standard deviations of these. It is compared photo by photo. Cropping or stretching
changes what a photo shows, so for these only a large gain in recall counts. The same holds for all
variants of preprocessing that the model's authors publish, which is stronger evidence than a small
gain on few photos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imagesearch.calibration.ports import Variant, VariantKind
from imagesearch.calibration.retrieval import ranks
from imagesearch.domain.images import Embedding

# A wrong mean, or red and blue exchanged, costs the starter model 4 to 8 % of its separation, at
# t = 2.4 to 3.3; its own variants of resizing cost 2 % at most, at t = 1.8.
_LEAST_GAIN, _LEAST_T, _LEAST_FOUND = 0.03, 2.3, 2
# The gain in captions found first that is plain without statistics, as a share of all captions.
_PLAIN_SHARE = 0.1
# Every third photo is tried first, and a variant without any gain among these is left out.
_SCREEN_STEP = 3
_SCREEN_GAIN = 0.01

EmbedPhotos = Callable[[Variant, Sequence[int]], Embedding]
EmbedCaptions = Callable[[Variant, Sequence[int]], Embedding]


@dataclass(frozen=True)
class Measured:
    """Embeddings with the manifest's preprocessing: captions and photos [N, D], labels [L, D]."""

    captions: Embedding
    photos: Embedding
    labels: Embedding

    def at(self, rows: Sequence[int]) -> Measured:
        return Measured(self.captions[rows], self.photos[rows], self.labels)

    @property
    def found(self) -> int:
        """The number of captions that find their own photo first."""
        return found_first(self.captions, self.photos)


@dataclass(frozen=True)
class Better:
    """A variant that scores plainly better; both numbers are of captions found first."""

    variant: Variant
    found: int
    stated_found: int


def found_first(captions: Embedding, photos: Embedding) -> int:
    return int((ranks(captions, photos) == 0).sum())


def better_variant(
    stated: Measured,
    variants: Sequence[Variant],
    embed_photos: EmbedPhotos,
    embed_captions: EmbedCaptions,
    *,
    published: bool = False,
) -> Better | None:
    """The variant with the most captions found first among those that score plainly better.

    published: the stated preprocessing is that of the model's authors.
    """

    def embedded(variant: Variant, rows: Sequence[int]) -> Measured:
        some = stated.at(rows)
        if variant.kind is VariantKind.PADDING:
            return Measured(embed_captions(variant, rows), some.photos, some.labels)
        return Measured(some.captions, embed_photos(variant, rows), some.labels)

    every = range(len(stated.photos))
    few = every[::_SCREEN_STEP]
    better = []
    for variant in variants:
        by_separation = variant.kind is VariantKind.COLORS and not published
        if not _may_gain(stated.at(few), embedded(variant, few), by_separation):
            continue
        found = embedded(variant, every)
        if _gains_plainly(stated, found, by_separation):
            better.append(Better(variant, found.found, stated.found))
    return max(better, key=lambda each: each.found, default=None)


def separation(measured: Measured) -> Embedding:
    """[N]: of each photo, the cosine to its caption compared with those to the label sentences."""
    own = np.einsum("nd,nd->n", measured.captions, measured.photos)
    others = measured.photos @ measured.labels.T
    spread = np.maximum(others.std(axis=1), np.finfo(np.float32).tiny)
    return np.asarray((own - others.mean(axis=1)) / spread, np.float32)


def _may_gain(stated: Measured, variant: Measured, by_separation: bool) -> bool:
    if variant.found > stated.found:
        return True
    return by_separation and _gain(stated, variant)[0] > _SCREEN_GAIN


def _gains_plainly(stated: Measured, variant: Measured, by_separation: bool) -> bool:
    found = variant.found - stated.found
    if found >= _PLAIN_SHARE * len(stated.photos):
        return True
    if not by_separation or found < _LEAST_FOUND:
        return False
    gain, t = _gain(stated, variant)
    return gain >= _LEAST_GAIN and t >= _LEAST_T


def _gain(stated: Measured, variant: Measured) -> tuple[float, float]:
    """The relative gain in mean separation, and its t-value over the photos."""
    before, after = separation(stated), separation(variant)
    differences = (after - before).astype(np.float64)
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    gain = differences.mean() / max(abs(float(before.mean())), 1e-6)
    return float(gain), float(differences.mean() / max(error, 1e-9))
