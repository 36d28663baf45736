"""Tries ways to make the second block, and its weight, and prints image → image quality in float32.

python -m models.choose_second_block --sources DIR --samples samples
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from models.build_starter_model import source_options
from models.edits import EDITS
from models.likeness import likeness
from models.quantise import Floats
from models.samples import Samples, read_samples
from models.second_block import singular_directions
from models.starter_image_graph import classifier_weights
from models.starter_model import PREPROCESS, SECOND_BLOCK, image_blocks
from models.starter_reference import Reference, conse, joined, unit_length
from models.starter_sources import find_sources

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
Project = Callable[[Floats], Floats]


def ways(classifier: Floats) -> dict[str, Project]:
    """From features [N, 1280] to a second block before it is brought to length 1."""
    directions, values = singular_directions(classifier, SECOND_BLOCK)
    chance = np.random.default_rng(0).standard_normal(directions.shape).astype(np.float32)
    return {
        "random": lambda features: features @ chance,
        "singular": lambda features: features @ directions,
        "singular, whitened": lambda features: features @ (directions / values),
        "roots, singular": lambda features: np.sqrt(features) @ directions,
        "roots, singular · √value": lambda f: np.sqrt(f) @ (directions * np.sqrt(values)),
    }


def main() -> None:
    asked = source_options().parse_args()
    sources, samples = find_sources(asked.sources), read_samples(asked.samples)
    reference = Reference(sources)
    labels = image_blocks(sources, reference).labels
    classified = _classify_all(reference, samples)
    words = {name: conse(logits, labels) for name, (_, logits) in classified.items()}
    header: list[str] = []
    for way, project in ways(classifier_weights(onnx.load(sources.image))).items():
        looks = {name: unit_length(project(features)) for name, (features, _) in classified.items()}
        for weight in WEIGHTS:
            both = {name: joined(words[name], looks[name], weight) for name in words}
            originals = both.pop("original")
            figures = likeness(originals, both, samples.folders, samples.stems)
            if not header:
                header = ["second block", "weight", *figures]
                print("| " + " | ".join(header) + " |\n" + "| --- " * len(header) + "|")
            print(f"| {way} | {weight} | " + " | ".join(map(str, figures.values())) + " |")


def _classify_all(reference: Reference, samples: Samples) -> dict[str, tuple[Floats, Floats]]:
    """Features and logits of the originals and of every edit."""
    edited = {name: [edit(p) for p in samples.pictures] for name, edit in EDITS.items()}
    every = {"original": samples.pictures} | edited
    return {name: reference.classify(some, PREPROCESS) for name, some in every.items()}


if __name__ == "__main__":
    main()
