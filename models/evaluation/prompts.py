"""Which words a model should be told labels in, and how sure of itself it may be.

python -m models.evaluation.prompts MODEL_FOLDER --samples samples

For each set of templates the temperature is fitted on every other photo and judged on the rest,
then the other way round; the last column is the one fitted on all. `classify` of a manifest holds
what is chosen.
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
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """Of photos that the temperature was not fitted on; `sureness` is the mean score of the best
    label, which is right as often as `right` says."""

    right: float
    loss: float
    sureness: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="models.evaluation.prompts", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=Path, default=Path("samples"))
    asked = parser.parse_args()
    captioned = read_captioned(asked.samples)
    labels = [label_of(caption) for caption in captioned.captions]
    images = image_vectors(asked.folder, captioned.pictures)
    texts = OnnxTextEncoder(asked.folder, load_manifest(asked.folder))
    print("| templates | best label is right | log loss | mean score of the best | temperature |")
    print("| --- | --- | --- | --- | --- |")
    for templates in CANDIDATES:
        cosines = images @ LabelEncoder(texts, Prompts(templates)).encode_labels(labels).T
        print(row(templates, cosines))


def label_of(caption: str) -> str:
    """The caption without its article, as labels are given."""
    return re.sub(r"^(a|an|the) ", "", caption)


def image_vectors(folder: Path, pictures: Sequence[bytes]) -> Floats:
    encoder = OnnxImageEncoder(folder, load_manifest(folder))
    try:
        found = encoder.encode_images(pictures)
    finally:
        encoder.close()
    return np.stack([each.embedding for each in found if not isinstance(each, UnreadableImage)])


def row(templates: Sequence[str], cosines: Floats) -> str:
    even, odd = np.arange(0, len(cosines), 2), np.arange(1, len(cosines), 2)
    halves = [judged(cosines, odd, fitted(cosines, even))]
    halves.append(judged(cosines, even, fitted(cosines, odd)))
    right, loss, sureness = (
        f"{np.mean([getattr(half, name) for half in halves]):.2f}"
        for name in ("right", "loss", "sureness")
    )
    temperature = fitted(cosines, np.arange(len(cosines)))
    return f"| {' · '.join(templates)} | {right} | {loss} | {sureness} | {temperature:.3f} |"


def fitted(cosines: Floats, photos: Places) -> float:
    """The temperature at which these photos' own labels, of the same number, are likeliest."""
    losses = [log_losses(cosines[photos], photos, each).mean() for each in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def judged(cosines: Floats, photos: Places, temperature: float) -> Judged:
    logits = log_probabilities(cosines[photos], temperature)
    right = logits.argmax(axis=1) == photos
    loss = log_losses(cosines[photos], photos, temperature).mean()
    return Judged(float(right.mean()), float(loss), float(np.exp(logits.max(axis=1)).mean()))


def log_losses(cosines: Floats, own: Places, temperature: float) -> npt.NDArray[np.float64]:
    """-log of the probability of each row's own column."""
    logits = log_probabilities(cosines, temperature)
    return np.asarray(-logits[np.arange(len(own)), own], np.float64)


def log_probabilities(cosines: Floats, temperature: float) -> npt.NDArray[np.float64]:
    logits = cosines.astype(np.float64) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), np.float64)


if __name__ == "__main__":
    main()
