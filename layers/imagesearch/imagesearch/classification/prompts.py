"""Zero-shot classification: prompts for labels, their embeddings and probabilities.

Method: Radford et al. 2021, https://arxiv.org/abs/2103.00020, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagesearch.classification.few_shot import COPY_COSINE
from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import TextEncoder

MAX_LABEL = 200
_PLACEHOLDER = "{}"


@dataclass(frozen=True, slots=True)
class Prompts:
    """Templates, in which `{}` is replaced by the label, and the softmax `temperature`."""

    templates: tuple[str, ...] = ("a photo of a {}.",)
    temperature: float = 0.01

    def texts(self, label: str) -> list[str]:
        return [template.replace(_PLACEHOLDER, label) for template in self.templates]


class LabelEncoder:
    """Embeds labels into the space of the image embeddings.

    copy_cosine: the cosine from which images are copies of each other, for this model.
    """

    def __init__(
        self, texts: TextEncoder, prompts: Prompts, copy_cosine: float = COPY_COSINE
    ) -> None:
        self._texts = texts
        self.prompts = prompts
        self.copy_cosine = copy_cosine

    @property
    def model(self) -> str:
        return self._texts.model

    def encode_labels(self, labels: Sequence[str]) -> Embedding:
        """[N, D] float32, L2-normalized: the mean of the embeddings of each label's prompts.

        Raises InvalidQuery for a label to which the model assigns no usable vector, and
        PayloadTooLarge for labels of a query that have too many tokens.
        """
        # One template at a time: the number of labels of a request does not depend on templates.
        prompts = zip(*map(self.prompts.texts, labels), strict=True)
        each = [self._texts.encode_texts(texts) for texts in prompts]
        means = np.mean(each, axis=0)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(means / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)

    def probabilities(self, cosines: Sequence[float]) -> NDArray[np.float64]:
        """[N] float64: the softmax of cosine / temperature."""
        logits = np.asarray(cosines, np.float64) / self.prompts.temperature
        weights = np.exp(logits - logits.max(initial=-np.inf))
        return np.asarray(weights / weights.sum(), np.float64)


def checked_labels(labels: Sequence[str], max_labels: int) -> list[str]:
    """The labels, stripped and without repetitions, in their order.

    Raises InvalidQuery for more than `max_labels` labels, none, or one of an invalid length.
    """
    stripped = [label.strip() for label in labels]
    for number, label in enumerate(stripped):
        if not 1 <= len(label) <= MAX_LABEL:
            raise InvalidQuery(
                f"labels.{number} has {len(label)} characters",
                f"use 1 to {MAX_LABEL} characters that are not all white space",
                code="invalid_labels",
            )
    unique = list(dict.fromkeys(stripped))
    if not 1 <= len(unique) <= max_labels:
        raise InvalidQuery(
            f"there are {len(unique):,} labels",
            f"send 1 to {max_labels:,}, or store more with PUT /v1/labelsets/{{name}}",
            code="invalid_labels",
        )
    return unique
