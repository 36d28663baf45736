"""How labels are put into words, and how their vectors and scores come of it: zero-shot.

Method: Radford et al. 2021, https://arxiv.org/abs/2103.00020, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import TextEncoder

MAX_LABEL = 200
BLANK = "{}"


@dataclass(frozen=True, slots=True)
class Prompts:
    """In each template `{}` is where the label goes; a cosine over `temperature` is a logit."""

    templates: tuple[str, ...] = ("a photo of a {}.",)
    temperature: float = 0.01

    def texts(self, label: str) -> list[str]:
        return [template.replace(BLANK, label) for template in self.templates]


class LabelEncoder:
    """Turns labels into vectors that an image's vector can be compared with."""

    def __init__(self, texts: TextEncoder, prompts: Prompts) -> None:
        self._texts = texts
        self.prompts = prompts

    @property
    def model(self) -> str:
        return self._texts.model

    def encode_labels(self, labels: Sequence[str]) -> Embedding:
        """[N, D] float32, L2-normalized: each the mean direction of the label's prompts.

        Raises InvalidQuery for a label to which the model gives no direction.
        """
        prompts = [text for label in labels for text in self.prompts.texts(label)]
        each = self._texts.encode_texts(prompts)
        means = each.reshape(len(labels), len(self.prompts.templates), -1).mean(axis=1)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(means / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)

    def probabilities(self, cosines: Sequence[float]) -> NDArray[np.float64]:
        """The softmax of the cosines [N] at the model's temperature: they sum to 1."""
        logits = np.asarray(cosines, np.float64) / self.prompts.temperature
        weights = np.exp(logits - logits.max(initial=-np.inf))
        return np.asarray(weights / weights.sum(), np.float64)


def checked_labels(labels: Sequence[str], most: int) -> list[str]:
    """The labels without blanks around them, each once, in their order; raises InvalidQuery."""
    trimmed = [label.strip() for label in labels]
    for place, label in enumerate(trimmed):
        if not 1 <= len(label) <= MAX_LABEL:
            raise InvalidQuery(
                f"labels.{place} has {len(label)} characters",
                f"a label has 1 to {MAX_LABEL} characters that are not all blanks",
                code="invalid_labels",
            )
    found = list(dict.fromkeys(trimmed))
    if not 1 <= len(found) <= most:
        raise InvalidQuery(
            f"there are {len(found):,} labels",
            f"send 1 to {most:,}; PUT /v1/labelsets/{{name}} keeps any number of them",
            code="invalid_labels",
        )
    return found
