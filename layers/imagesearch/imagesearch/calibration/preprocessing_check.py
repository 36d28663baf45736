"""Compares a model's preprocessing with variants of it, to detect a manifest that is wrong.

A wrong order of the channels or a wrong mean costs a robust model few photos, so recall alone does
not show it, and recall of few photos changes by chance. The separation is more sensitive: of each
photo, the cosine to its caption minus the mean cosine to other texts, in standard deviations of
these; for another padding, of each caption, in comparison with other photos. Variants are compared
by it photo by photo, with a paired t-test.

Cropping or stretching changes what a photo shows, so for these a gain in separation must come with
a large gain in recall. The same holds for all variants of preprocessing that the model's authors
publish, which is stronger evidence than a small gain on few photos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from imagesearch.calibration.ports import Alternative, Kind, Variant
from imagesearch.calibration.retrieval import ranks
from imagesearch.domain.images import Embedding

# With wrong colors, the starter model loses 4 to 20 % of its separation, at t = 2.2 to 5.4. With
# its own colors and any resizing, it is refused in 0 to 2 % of bootstrap samples of the photos.
_LEAST_GAIN, _LEAST_T = 0.03, 2.3
# The gain in captions found first that is large, as a share of all captions.
_LARGE_SHARE = 0.1
# Every third photo is tried first; a variant without a gain among these is left out.
_SCREEN_STEP = 3

# The embeddings [R, D] of these rows, with a variant.
Embed = Callable[[Variant, Sequence[int]], Embedding]


@dataclass(frozen=True)
class Measured:
    """Embeddings with one preprocessing: captions and photos [N, D], labels [L, D]."""

    captions: Embedding
    photos: Embedding
    labels: Embedding

    def at(self, rows: Sequence[int]) -> Measured:
        return Measured(self.captions[rows], self.photos[rows], self.labels)

    @property
    def found(self) -> int:
        """The number of captions that find their own photo first."""
        return int((ranks(self.captions, self.photos) == 0).sum())


@dataclass(frozen=True)
class Better:
    """A variant that is plainly better than the manifest's preprocessing.

    found, stated_found: numbers of captions found first. gain: of the mean separation, relative.
    """

    variant: Variant
    found: int
    stated_found: int
    gain: float


def better_variant(
    stated: Measured,
    alternatives: Sequence[Alternative],
    embed_photos: Embed,
    embed_captions: Embed,
    *,
    published: bool = False,
    least_found: float = 0.0,
) -> Better | None:
    """The variant that a coordinate ascent finds, if it is plainly better.

    Colors, resizing and padding are searched one after the other, each with the best values of
    those before that were plainly better. If none is, all that gain a little are tried together.

    published: the stated preprocessing is that of the model's authors.
    least_found: the share of captions that a variant must find first. Among a part of the photos,
        more are found, so that a variant that finds fewer there is not embedded in full.
    """
    search = _Search(stated, alternatives, embed_photos, embed_captions)
    adopted: Variant = ()
    gaining: list[Variant] = []
    for kind in Kind:
        found = search.ascent(kind, adopted)
        by_separation = kind is Kind.COLORS and not published
        # One of two steps may gain among the first photos by chance, and hide the other one.
        alone = ((*adopted, step) for step in found[len(adopted) :])
        better = (
            each
            for each in (found, *alone)
            if search.is_better(each, adopted, by_separation, least_found)
        )
        if plainly := next(better, None):
            adopted = plainly
        elif found != adopted:
            gaining.append(found[len(adopted) :])
    together = tuple(each for variant in gaining for each in variant)
    if not adopted and len(gaining) > 1 and search.is_better(together, (), False, least_found):
        adopted = together
    return search.better(adopted) if adopted else None


class _Search:
    """Embeds variants, the first photos once; rows are those of every third photo, then others."""

    def __init__(
        self,
        stated: Measured,
        alternatives: Sequence[Alternative],
        embed_photos: Embed,
        embed_captions: Embed,
    ) -> None:
        every = range(len(stated.photos))
        self._first = every[::_SCREEN_STEP]
        self._rest = [row for row in every if row % _SCREEN_STEP]
        self._stated = stated.at([*self._first, *self._rest])
        self._stated_first = self._stated.at(range(len(self._first)))
        self._alternatives = alternatives
        self._embed_photos, self._embed_captions = embed_photos, embed_captions
        self._embedded: dict[tuple[Embed, Variant, bool], Embedding] = {}

    def ascent(self, kind: Kind, start: Variant) -> Variant:
        """`start` with the alternatives of this kind that increase the separation most."""
        variant = start
        options = [each for each in self._alternatives if each.step.kind is kind]
        while options:
            trials = [(self._gain(variant, (*variant, each)), each) for each in options]
            gain, best = max(trials, key=lambda trial: trial[0])
            if gain <= 0:
                break
            variant = (*variant, best)
            options = [each for each in options if each.step is not best.step]
        return variant

    def is_better(
        self, variant: Variant, base: Variant, by_separation: bool, least_found: float
    ) -> bool:
        """True if a variant is plainly better than another one, on all photos."""
        few = len(self._first)
        if variant == base or self._measured(variant, full=False).found < least_found * few:
            return False
        before, after = self._measured(base), self._measured(variant)
        if after.found < least_found * len(after.photos):
            return False
        gain, t = _gain(before, after)
        is_large = after.found - before.found >= _LARGE_SHARE * len(after.photos)
        return t >= _LEAST_T and (is_large or (by_separation and gain >= _LEAST_GAIN))

    def better(self, variant: Variant) -> Better:
        before, after = self._measured(()), self._measured(variant)
        return Better(variant, after.found, before.found, _gain(before, after)[0])

    def _gain(self, base: Variant, variant: Variant) -> float:
        return _gain(self._measured(base, full=False), self._measured(variant, full=False))[0]

    def _measured(self, variant: Variant, *, full: bool = True) -> Measured:
        """With all photos, or with the first ones."""
        stated = self._stated if full else self._stated_first
        images = tuple(each for each in variant if each.step.kind is not Kind.PADDING)
        texts = tuple(each for each in variant if each.step.kind is Kind.PADDING)
        photos = self._rows(self._embed_photos, images, full) if images else stated.photos
        captions = self._rows(self._embed_captions, texts, full) if texts else stated.captions
        return Measured(captions, photos, stated.labels)

    def _rows(self, embed: Embed, variant: Variant, full: bool) -> Embedding:
        key = embed, variant, full
        if key not in self._embedded:
            if full:
                first = self._rows(embed, variant, False)
                self._embedded[key] = np.concatenate([first, embed(variant, self._rest)])
            else:
                self._embedded[key] = embed(variant, self._first)
        return self._embedded[key]


def _gain(stated: Measured, variant: Measured) -> tuple[float, float]:
    """The relative gain in mean separation, and its t-value over the photos or captions."""
    separation = photo_separation if variant.captions is stated.captions else caption_separation
    before, after = separation(stated), separation(variant)
    differences = (after - before).astype(np.float64)
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    gain = differences.mean() / max(abs(float(before.mean())), 1e-6)
    return float(gain), float(differences.mean() / max(error, 1e-9))


def photo_separation(measured: Measured) -> Embedding:
    """[N]: of each photo, the cosine to its caption compared with those to the label sentences."""
    return _separation(measured, measured.photos @ measured.labels.T)


def caption_separation(measured: Measured) -> Embedding:
    """[N]: of each caption, the cosine to its photo compared with those to all photos."""
    return _separation(measured, measured.captions @ measured.photos.T)


def _separation(measured: Measured, others: Embedding) -> Embedding:
    own = np.einsum("nd,nd->n", measured.captions, measured.photos)
    spread = np.maximum(others.std(axis=1), np.finfo(np.float32).tiny)
    return np.asarray((own - others.mean(axis=1)) / spread, np.float32)
