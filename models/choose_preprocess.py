"""Tries every way to make a photo square and prints its text → image recall, in float32.

python -m models.choose_preprocess --sources DIR --samples samples
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from models.build_starter_model import source_options
from models.preprocess import RESAMPLING, Preprocess
from models.recall import mean_reciprocal_rank, recall
from models.samples import read_samples
from models.starter_model import PREPROCESS, image_blocks
from models.starter_reference import Reference, conse
from models.starter_sources import find_sources

# Grey of the middle (zero once normalised), black, white.
PAD_COLORS = ((127, 127, 127), (0, 0, 0), (255, 255, 255))


def candidates() -> Iterator[Preprocess]:
    for resample in RESAMPLING:
        for resize in ("crop", "stretch"):
            yield replace(PREPROCESS, resize=resize, resample=resample)
        for color in PAD_COLORS:
            yield replace(PREPROCESS, resize="pad", resample=resample, pad_color=color)


def main() -> None:
    asked = source_options().parse_args()
    sources, samples = find_sources(asked.sources), read_samples(asked.samples)
    reference = Reference(sources)
    labels = image_blocks(sources, reference).labels
    captions = reference.words(samples.captions)
    print("| resize | resample | pad color | R@1 | R@5 | R@10 | MRR |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for tried in candidates():
        images = conse(reference.classify(samples.pictures, tried)[1], labels)
        figures = [*recall(captions, images).values(), mean_reciprocal_rank(captions, images)]
        color = str(tried.pad_color[0]) if tried.resize == "pad" else ""
        numbers = " | ".join(f"{figure:.1f}" for figure in figures)
        print(f"| {tried.resize} | {tried.resample} | {color} | {numbers} |")


if __name__ == "__main__":
    main()
