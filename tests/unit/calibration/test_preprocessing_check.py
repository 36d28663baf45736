"""Claims: a plainly better variant is reported, and each kind of variant has its own limits."""

from collections.abc import Sequence

import numpy as np
import pytest

from imagesearch.calibration.ports import Variant, VariantKind
from imagesearch.calibration.preprocessing_check import Better, Measured, better_variant
from imagesearch.domain.images import Embedding

PHOTOS, DIMENSION = 60, 48


def unit(rows: np.ndarray) -> Embedding:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


RNG = np.random.default_rng(4)
CAPTIONS = unit(RNG.normal(size=(PHOTOS, DIMENSION)))
LABELS = unit(RNG.normal(size=(200, DIMENSION)))
NOISE = unit(RNG.normal(size=(PHOTOS, DIMENSION)))


def photos(noise: float) -> Embedding:
    """Photos near their captions; the noise is the same at every level."""
    return unit(CAPTIONS + noise * NOISE)


def compared(
    stated: float, kind: VariantKind, *others: float, published: bool = False
) -> Better | None:
    """The better variant; `stated` and `others` are the noise of the manifest and the variants."""
    variants = [Variant(kind, "stated", str(noise)) for noise in others]

    def embed(variant: Variant, rows: Sequence[int]) -> Embedding:
        return photos(float(variant.description))[list(rows)]

    measured = Measured(CAPTIONS, photos(stated), LABELS)
    return better_variant(measured, variants, embed, embed, published=published)


@pytest.mark.parametrize("kind", [VariantKind.COLORS, VariantKind.GEOMETRY])
def test_a_far_better_variant_is_found_and_the_best_of_several(kind: VariantKind) -> None:
    found = compared(2.6, kind, 2.4, 0.5, 1.8)
    assert found
    assert found.variant.description == "0.5"
    assert found.found > found.stated_found


@pytest.mark.parametrize("kind", [VariantKind.COLORS, VariantKind.GEOMETRY])
def test_worse_and_equal_variants_are_not_reported(kind: VariantKind) -> None:
    assert compared(1.5, kind, 1.5, 1.6, 2.5) is None


def test_slightly_better_colors_are_reported_and_slightly_better_resizing_is_not() -> None:
    assert compared(1.75, VariantKind.COLORS, 1.6)
    assert compared(1.75, VariantKind.GEOMETRY, 1.6) is None


def test_against_published_colors_only_a_large_gain_counts() -> None:
    assert compared(1.75, VariantKind.COLORS, 1.6, published=True) is None
    assert compared(2.6, VariantKind.COLORS, 0.5, published=True)


def test_captions_are_embedded_again_for_another_padding() -> None:
    requested = []

    def embed(variant: Variant, rows: Sequence[int]) -> Embedding:
        requested.append(len(rows))
        return CAPTIONS[list(rows)]

    def never(variant: Variant, rows: Sequence[int]) -> Embedding:
        raise AssertionError("photos do not depend on the padding of texts")

    variant = Variant(VariantKind.PADDING, "longest", "64 tokens")
    stated = Measured(unit(CAPTIONS + 2 * NOISE[::-1]), photos(0.5), LABELS)
    found = better_variant(stated, [variant], never, embed)
    assert found
    assert found.found == PHOTOS
    assert requested == [PHOTOS // 3, PHOTOS]
