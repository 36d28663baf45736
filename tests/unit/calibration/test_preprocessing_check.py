"""Claims: errors in the preprocessing are found, alone and combined, and right ones are accepted.

Photos are near their captions; each wrong value of a step adds a direction of noise.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pytest

from imagesearch.calibration.ports import Alternative, Kind, Step, Variant
from imagesearch.calibration.preprocessing_check import Better, Measured, better_variant
from imagesearch.domain.images import Embedding

PHOTOS, DIMENSION = 60, 48
VALUES = {
    Step.NORMALIZATION: ("right", "CLIP", "SigLIP"),
    Step.CHANNELS: ("right", "blue first"),
    Step.RESIZE: ("right", "crop", "stretch"),
    Step.FILTER: ("right", "bilinear"),
    Step.PADDING: ("right", "64 tokens"),
}
SINGLE = [(step, value) for step, values in VALUES.items() for value in values[1:]]
PAIRS = [pair for pair in combinations(SINGLE, 2) if pair[0][0] is not pair[1][0]]
ERRORS = [dict([error]) for error in SINGLE] + [dict(pair) for pair in PAIRS]


def unit(rows: np.ndarray) -> Embedding:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


RNG = np.random.default_rng(4)
CAPTIONS = unit(RNG.normal(size=(PHOTOS, DIMENSION)))
LABELS = unit(RNG.normal(size=(200, DIMENSION)))
NOISE = {
    error: unit(RNG.normal(size=(PHOTOS, DIMENSION))) for error in [None, "other words", *SINGLE]
}


class Model:
    """A right model, which finds most photos; each error adds noise of its own."""

    def __init__(self, noise: float, errors: Mapping[Step, float]) -> None:
        self._noise, self._errors = noise, errors
        self.requests: list[tuple[Variant, int]] = []

    def rows(self, state: Mapping[Step, str], kinds: Sequence[Kind]) -> Embedding:
        noise = [
            self._errors.get(step, 0) * NOISE[step, value]
            for step, value in state.items()
            if value != "right" and step.kind in kinds
        ]
        base = 0 if Kind.PADDING in kinds else self._noise * NOISE[None]
        return unit(CAPTIONS + base + sum(noise))

    def photos(self, state: Mapping[Step, str]) -> Embedding:
        return self.rows(state, (Kind.COLORS, Kind.GEOMETRY))

    def captions(self, state: Mapping[Step, str]) -> Embedding:
        return self.rows(state, (Kind.PADDING,))

    def better(self, wrong: Mapping[Step, str], **options: bool | float) -> Better | None:
        """The decision on a manifest with the errors `wrong`."""
        stated = {step: wrong.get(step, "right") for step in VALUES}

        def embed(variant: Variant, rows: Sequence[int], kind: object) -> Embedding:
            self.requests.append((variant, len(rows)))
            state = stated | {each.step: each.description for each in variant}
            return (self.captions if kind is Kind.PADDING else self.photos)(state)[list(rows)]

        return better_variant(
            Measured(self.captions(stated), self.photos(stated), LABELS),
            [
                Alternative(step, stated[step], value)
                for step, values in VALUES.items()
                for value in values
                if value != stated[step]
            ],
            lambda variant, rows: embed(variant, rows, None),
            lambda variant, rows: embed(variant, rows, Kind.PADDING),
            **options,  # type: ignore[arg-type]
        )


def corrected(found: Better | None) -> dict[Step, str]:
    return {each.step: each.description for each in found.variant} if found else {}


PLAIN = dict.fromkeys(Step, 1.5) | {Step.PADDING: 1.0}
# As on the starter model: few photos are lost, and which ones is chance.
SLIGHT = dict.fromkeys((Step.NORMALIZATION, Step.CHANNELS), 0.75)


@pytest.mark.parametrize("errors", ERRORS, ids=lambda errors: "+".join(errors.values()))
def test_plain_errors_are_corrected_alone_and_in_pairs(errors: dict[Step, str]) -> None:
    found = Model(2.0, PLAIN).better(errors)
    assert corrected(found) == dict.fromkeys(errors, "right")
    assert found
    assert found.found > found.stated_found


@pytest.mark.parametrize(
    "errors",
    [errors for errors in ERRORS if all(step.kind is Kind.COLORS for step in errors)],
    ids=lambda errors: "+".join(errors.values()),
)
def test_wrong_colors_that_cost_few_captions_are_detected_by_the_separation(
    errors: dict[Step, str],
) -> None:
    assert corrected(Model(2.2, SLIGHT).better(errors)) == dict.fromkeys(errors, "right")
    if len(errors) == 1:
        assert Model(2.2, SLIGHT).better(errors, published=True) is None


@pytest.mark.parametrize("cost", [0, 0.1, 1.5])
def test_the_right_preprocessing_is_accepted_even_if_alternatives_are_as_good(cost: float) -> None:
    assert Model(2.0, dict.fromkeys(Step, cost)).better({}) is None


def test_slightly_worse_resizing_is_accepted_and_wrong_colors_with_it_are_not() -> None:
    model = Model(2.2, SLIGHT | {Step.RESIZE: 0.3})
    assert model.better({Step.RESIZE: "crop"}) is None
    found = model.better({Step.RESIZE: "crop", Step.CHANNELS: "blue first"})
    assert corrected(found) == {Step.CHANNELS: "right"}


def test_against_published_preprocessing_a_large_gain_counts() -> None:
    found = Model(2.0, PLAIN).better({Step.CHANNELS: "blue first"}, published=True)
    assert corrected(found) == {Step.CHANNELS: "right"}


def test_gains_that_are_large_only_together_are_found() -> None:
    errors = {Step.RESIZE: "stretch", Step.PADDING: "64 tokens"}
    model = Model(2.2, {Step.RESIZE: 0.8, Step.PADDING: 0.25})
    assert corrected(model.better(errors)) == dict.fromkeys(errors, "right")
    for step, value in errors.items():
        assert model.better({step: value}) is None


def test_a_variant_that_finds_too_few_is_not_embedded_in_full() -> None:
    model = Model(4.0, dict.fromkeys(Step, 4.0))
    assert model.better({Step.RESIZE: "crop"}, least_found=0.9) is None
    assert {rows for _, rows in model.requests} == {PHOTOS // 3}


def test_each_variant_is_embedded_once() -> None:
    model = Model(2.0, PLAIN)
    model.better({Step.CHANNELS: "blue first", Step.RESIZE: "crop"})
    kinds = [
        ([each for each in variant if each.step.kind is Kind.PADDING], variant, rows)
        for variant, rows in model.requests
    ]
    assert len({str(each) for each in kinds}) == len(kinds)


@pytest.mark.parametrize("gain", [0.01, 0.2], ids=["tried last", "tried first"])
def test_a_step_that_gains_by_chance_does_not_hide_another_one(gain: float) -> None:
    """The other normalization is better for the photos that are tried first, and for no other."""

    class Chance(Model):
        def photos(self, state: Mapping[Step, str]) -> Embedding:
            rows = super().photos(dict(state) | {Step.NORMALIZATION: "right"})
            if state[Step.NORMALIZATION] == "CLIP":
                rows[::3] = unit(rows[::3] + gain * CAPTIONS[::3])
                rows[1::3] = NOISE["other words"][1::3]
            return rows

    found = Chance(2.2, SLIGHT).better({Step.CHANNELS: "blue first"})
    assert corrected(found) == {Step.CHANNELS: "right"}
