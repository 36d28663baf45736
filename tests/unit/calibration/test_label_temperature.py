"""Claims: fitting recovers the temperature that generated the scores."""

from __future__ import annotations

import numpy as np
import pytest

from imagesearch.calibration.label_temperature import (
    evaluate,
    fit_temperature,
    label_of,
    log_losses,
)

PHOTOS = np.arange(400)


def drawn(temperature: float) -> np.ndarray:
    """Cosines whose labels are drawn with the probabilities of their softmax."""
    random = np.random.default_rng(7)
    cosines = random.uniform(-0.2, 0.2, (400, 400)).astype(np.float32)
    chances = np.exp(cosines / temperature)
    for own, each in enumerate(chances):
        chosen = random.choice(400, p=each / each.sum())
        cosines[own, [own, chosen]] = cosines[own, [chosen, own]]
    return cosines


@pytest.mark.parametrize("temperature", [0.02, 0.05, 0.1])
def test_the_temperature_is_recovered(temperature: float) -> None:
    assert fit_temperature(drawn(temperature), PHOTOS) == pytest.approx(temperature, rel=0.25)


def test_scores_at_the_fitted_temperature_are_calibrated() -> None:
    cosines = drawn(0.02)
    found = evaluate(cosines, PHOTOS[1::2], fit_temperature(cosines, PHOTOS[::2]))
    assert found.confidence == pytest.approx(found.accuracy, abs=0.08)


def test_the_loss_of_a_certain_label_is_zero_and_of_a_guess_its_logarithm() -> None:
    assert log_losses(np.eye(2, dtype=np.float32), np.arange(2), 0.01) == pytest.approx(0)
    assert log_losses(np.zeros((2, 2), np.float32), np.arange(2), 1.0) == pytest.approx(np.log(2))


def test_a_label_has_no_article() -> None:
    assert [label_of(text) for text in ("a cow", "an owl", "two jaguars")] == [
        *("cow", "owl", "two jaguars")
    ]
