"""Fits prompt templates and the softmax temperature for zero-shot classification.

python -m models.evaluation.prompts MODEL_FOLDER --samples samples

Each set of templates is cross-validated: the temperature is fitted on every second photo and
evaluated on the others, and vice versa. The last column is the temperature fitted on all photos.
The chosen values are `classify` in the manifest.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagesearch.classification.prompts import LabelEncoder, Prompts
from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from models import Floats
from models.evaluation.samples import read_captioned

CANDIDATES = (
    ("{}",),
    ("a photo of {}.",),
    ("a photo of a {}.",),
    ("{}", "a photo of a {}.", "a picture of a {}."),
    ("a photo of a {}.", "itap of a {}.", "a bad photo of the {}."),
)
TEMPERATURES = np.geomspace(0.002, 0.5, 400)
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Figures of photos that the temperature was not fitted on.

    `accuracy` is that of the best label; `confidence` is its mean score, and equals the accuracy of
    a calibrated model.
    """

    accuracy: float
    loss: float
    confidence: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="models.evaluation.prompts", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    options = parser.parse_args()
    captioned = read_captioned(options.samples)
    labels = [label_of(caption) for caption in captioned.captions]
    images = image_vectors(options.folder, captioned.pictures)
    texts = OnnxTextEncoder(options.folder, load_manifest(options.folder))
    print("| templates | accuracy | log loss | mean score of the best label | temperature |")
    print("| --- | --- | --- | --- | --- |")
    for templates in CANDIDATES:
        cosines = images @ LabelEncoder(texts, Prompts(templates)).encode_labels(labels).T
        print(row(templates, cosines))


def label_of(caption: str) -> str:
    """The caption without its article."""
    return re.sub(r"^(a|an|the) ", "", caption)


def image_vectors(folder: Path, pictures: Sequence[bytes]) -> Floats:
    encoder = OnnxImageEncoder(folder, load_manifest(folder))
    try:
        images = encoder.encode_images(pictures)
    finally:
        encoder.close()
    return np.stack([each.embedding for each in images if not isinstance(each, UnreadableImage)])


def row(templates: Sequence[str], cosines: Floats) -> str:
    even, odd = np.arange(0, len(cosines), 2), np.arange(1, len(cosines), 2)
    halves = [evaluate(cosines, odd, fit(cosines, even))]
    halves.append(evaluate(cosines, even, fit(cosines, odd)))
    accuracy, loss, confidence = (
        f"{np.mean([getattr(half, name) for half in halves]):.2f}"
        for name in ("accuracy", "loss", "confidence")
    )
    temperature = fit(cosines, np.arange(len(cosines)))
    return f"| {' · '.join(templates)} | {accuracy} | {loss} | {confidence} | {temperature:.3f} |"


def fit(cosines: Floats, photos: Rows) -> float:
    """The temperature with the lowest log loss of these photos; photo and label have equal rows."""
    losses = [log_losses(cosines[photos], photos, each).mean() for each in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def evaluate(cosines: Floats, photos: Rows, temperature: float) -> Scores:
    logits = log_probabilities(cosines[photos], temperature)
    right = logits.argmax(axis=1) == photos
    loss = log_losses(cosines[photos], photos, temperature).mean()
    return Scores(float(right.mean()), float(loss), float(np.exp(logits.max(axis=1)).mean()))


def log_losses(cosines: Floats, own: Rows, temperature: float) -> npt.NDArray[np.float64]:
    """-log of the probability of each row's own column."""
    logits = log_probabilities(cosines, temperature)
    return np.asarray(-logits[np.arange(len(own)), own], np.float64)


def log_probabilities(cosines: Floats, temperature: float) -> npt.NDArray[np.float64]:
    logits = cosines.astype(np.float64) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), np.float64)


if __name__ == "__main__":
    main()
