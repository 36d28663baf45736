"""Decisions of the self-test on a model with every error in its preprocessing, and without one.

python -m models.evaluation.preprocessing_errors MODEL_FOLDER [--subsets 40]

The model is the right one. Each combination of normalization, order of the channels, resizing and
filter is then stated by a manifest in turn, and compared with all the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TypeAlias

import numpy as np

from imagesearch.calibration.calibration_set import CalibrationSet, shipped_set
from imagesearch.calibration.photo_embeddings import PhotoEmbeddings
from imagesearch.calibration.ports import Alternative, Kind, Step, Variant
from imagesearch.calibration.preprocessing_check import Better, Measured, better_variant
from imagesearch.domain.images import Embedding
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.self_test.edits import PillowEditor
from imagesearch.embedding.self_test.onnx_model import OnnxModel

# The values of steps for images, in words; other steps have the right value.
State: TypeAlias = Mapping[Step, str]


class Preprocessings:
    """A right model with other preprocessing; each photo is embedded once in each state."""

    def __init__(
        self, model: OnnxModel, photos: CalibrationSet, alternatives: Sequence[Alternative]
    ) -> None:
        self._model, self._set = model, photos
        self._alternatives = [each for each in alternatives if each.step.kind is not Kind.PADDING]
        self.right: dict[Step, str] = {each.step: each.stated for each in self._alternatives}
        self.captions = np.concatenate([model.texts.encode_texts([c]) for c in photos.captions])
        self.labels = model.texts.encode_texts(photos.labels)
        self._rows: dict[tuple[Variant, int], Embedding] = {}

    def states(self) -> Iterator[State]:
        """All combinations, the right one among them."""
        values = [self._values(step) for step in self.right]
        for combination in product(*values):
            yield dict(zip(self.right, combination, strict=True))

    def better(
        self, stated: State, rows: Sequence[int] | None = None, *, published: bool = False
    ) -> Better | None:
        """The self-test's decision on a manifest with this state.

        stated: the steps that are compared. rows: some of the photos; by default all.
        """
        some = list(range(len(self._set.photos)) if rows is None else rows)

        def embed(variant: Variant, numbers: Sequence[int]) -> Embedding:
            state = {**stated, **{each.step: each.description for each in variant}}
            return self.photos(state, [some[number] for number in numbers])

        return better_variant(
            Measured(self.captions[some], embed((), range(len(some))), self.labels),
            [
                Alternative(step, stated[step], value)
                for step in stated
                for value in self._values(step)
                if value != stated[step]
            ],
            embed,
            lambda _, numbers: self.captions[[some[number] for number in numbers]],
            published=published,
        )

    def found(self, state: State) -> int:
        """The number of captions that find their own photo first."""
        return Measured(self.captions, self.photos(state), self.labels).found

    def _values(self, step: Step) -> list[str]:
        others = [each.description for each in self._alternatives if each.step is step]
        return [self.right[step], *others]

    def photos(self, state: State, rows: Sequence[int] | None = None) -> Embedding:
        """[R, D]; by default of all photos."""
        rows = range(len(self._set.photos)) if rows is None else rows
        values = {**self.right, **state}
        variant = tuple(
            each for each in self._alternatives if values[each.step] == each.description
        )
        missing = [row for row in rows if (variant, row) not in self._rows]
        if missing:
            encoder = self._model.with_variant(variant).images
            images = PhotoEmbeddings(self._set.photos, encoder, PillowEditor(), lambda _: None)
            for row, vector in zip(missing, images.vectors(missing), strict=True):
                self._rows[variant, row] = vector
        return np.stack([self._rows[variant, row] for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument(
        "--subsets", type=int, default=0, help="random halves of the photos, for a rate of refusals"
    )
    arguments = parser.parse_args()
    model, photos = OnnxModel(arguments.model, load_manifest(arguments.model)), shipped_set()
    try:
        every = Preprocessings(model, photos, model.alternatives())
        generator, count = np.random.default_rng(0), len(photos.photos)
        subsets = [
            np.sort(generator.permutation(count)[: count // 2]).tolist()
            for _ in range(arguments.subsets)
        ]
        for state in every.states():
            better = every.better(state)
            decision = ", ".join(each.description for each in better.variant) if better else "right"
            rate = [every.better(state, rows) is not None for rows in subsets]
            share = f"{np.mean(rate):.0%} of halves refused" if rate else ""
            print(*state.values(), every.found(state), decision, share, sep="\t", flush=True)
    finally:
        model.close()


if __name__ == "__main__":
    main()
