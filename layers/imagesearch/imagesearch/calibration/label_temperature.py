"""Fits the softmax temperature of zero-shot classification; photos and labels have equal rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from imagesearch.domain.images import Embedding

TEMPERATURES = np.geomspace(0.002, 0.5, 400)
Rows: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Figures of photos that the temperature was not fitted on.

    `accuracy` is that of the best label; `confidence` is its mean score, and equals the accuracy of
    a calibrated model.
    """

    accuracy: float
    loss: float
    confidence: float


def label_of(caption: str) -> str:
    """The caption without its article."""
    return re.sub(r"^(a|an|the) ", "", caption)


def fit_temperature(cosines: Embedding, photos: Rows) -> float:
    """The temperature with the lowest log loss of these photos; photo and label have equal rows."""
    losses = [log_losses(cosines[photos], photos, each).mean() for each in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def evaluate(cosines: Embedding, photos: Rows, temperature: float) -> Scores:
    logits = log_probabilities(cosines[photos], temperature)
    right = logits.argmax(axis=1) == photos
    loss = log_losses(cosines[photos], photos, temperature).mean()
    return Scores(float(right.mean()), float(loss), float(np.exp(logits.max(axis=1)).mean()))


def log_losses(cosines: Embedding, own: Rows, temperature: float) -> npt.NDArray[np.float64]:
    """-log of the probability of each row's own column."""
    logits = log_probabilities(cosines, temperature)
    return np.asarray(-logits[np.arange(len(own)), own], np.float64)


def log_probabilities(cosines: Embedding, temperature: float) -> npt.NDArray[np.float64]:
    logits = cosines.astype(np.float64) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), np.float64)
