"""Fits prompt templates and the softmax temperature for zero-shot classification.

python -m models.evaluation.prompts MODEL_FOLDER --samples samples

Each set of templates is cross-validated: the temperature is fitted on every second photo and
evaluated on the others, and vice versa. The last column is the temperature fitted on all photos.
The chosen values are `classify` in the manifest.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imagesearch.calibration.label_temperature import evaluate, fit_temperature, label_of
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


def image_vectors(folder: Path, pictures: Sequence[bytes]) -> Floats:
    encoder = OnnxImageEncoder(folder, load_manifest(folder))
    try:
        images = encoder.encode_images(pictures)
    finally:
        encoder.close()
    return np.stack([each.embedding for each in images if not isinstance(each, UnreadableImage)])


def row(templates: Sequence[str], cosines: Floats) -> str:
    even, odd = np.arange(0, len(cosines), 2), np.arange(1, len(cosines), 2)
    halves = [evaluate(cosines, odd, fit_temperature(cosines, even))]
    halves.append(evaluate(cosines, even, fit_temperature(cosines, odd)))
    accuracy, loss, confidence = (
        f"{np.mean([getattr(half, name) for half in halves]):.2f}"
        for name in ("accuracy", "loss", "confidence")
    )
    temperature = fit_temperature(cosines, np.arange(len(cosines)))
    return f"| {' · '.join(templates)} | {accuracy} | {loss} | {confidence} | {temperature:.3f} |"


if __name__ == "__main__":
    main()
