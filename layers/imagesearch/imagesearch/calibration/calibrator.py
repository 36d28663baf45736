"""Tests a model on photos with captions, and calibrates it: relevance, labels and duplicates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.calibration.duplicate_weights import (
    Fingerprints,
    fit_weights,
    rounded,
    training_pairs,
)
from imagesearch.calibration.evidence import (
    COPIES,
    EDITS,
    PARTNER_EDIT,
    REPORTING,
    CalibrationVectors,
    Edited,
    evidence,
)
from imagesearch.calibration.label_temperature import fit_temperature, label_of
from imagesearch.calibration.photo_embeddings import PhotoEmbeddings
from imagesearch.calibration.ports import Model, PhotoEditor, Variant
from imagesearch.calibration.preprocessing_check import Better, Measured, better_variant
from imagesearch.calibration.relevance_figures import Figures, held_out, nonsense, on_all
from imagesearch.calibration.relevance_fit import (
    PRIOR,
    Backgrounds,
    NothingToFit,
    background_rows,
    fit_relevance,
)
from imagesearch.calibration.retrieval import Recall, ranks, recall
from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import TextEncoder
from imagesearch.duplicates.similarity import Weights
from imagesearch.search.relevance import Curve, Modality, Relevance

# A trained model finds far more of the samples first; by chance it is one.
LEAST_FOUND = 0.25
_TEXT_BATCH = 16
# With every fourth of 85 photos, the weights differ by less than 10 % from those of every second.
_ENOUGH_PHOTOS = 80
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RetrievalFigures:
    """The results of the self-test.

    found_first: the number of the captions whose own photo ranks first, among `photos`.
    text_to_image: R@1, R@5 and R@10 of the captions, in percent.
    edit_to_original: R@1 of edited photos, in percent; None if the test ended before.
    """

    photos: int
    found_first: int
    text_to_image: Recall
    edit_to_original: float | None = None


@dataclass(frozen=True)
class Fitted:
    """A calibration: backgrounds as int8 [N, D], and everything that was fitted on them.

    nonsense_share: the share of queries without a match that find a photo at relevance 0.5.
    """

    labels: NDArray[np.int8]
    photos: NDArray[np.int8]
    curves: Mapping[Modality, Curve]
    neighbors: Mapping[Modality, int]
    temperature: float
    duplicates: Weights
    held_out: Figures
    on_all: Figures
    nonsense_share: float

    def figures(self) -> dict[str, Any]:
        return {
            "held_out": asdict(self.held_out),
            "on_all": asdict(self.on_all),
            "nonsense_queries_let_through": self.nonsense_share,
            "prior": PRIOR,
        }


@dataclass(frozen=True)
class Outcome:
    """The figures of the test and, unless the model was refused, the calibration.

    `refusal` is the reason to refuse the model; empty if there is none.
    """

    test: RetrievalFigures
    fitted: Fitted | None
    refusal: str = ""


class Calibrator:
    """Tests and calibrates one model with one set; `progress` gets the embedded and all items."""

    def __init__(
        self,
        model: Model,
        calibration_set: CalibrationSet,
        editor: PhotoEditor,
        progress: Progress = lambda _, __: None,
    ) -> None:
        self._model = model
        self._set = calibration_set
        self._editor = editor
        self._progress = progress
        self._done = 0
        photos = len(calibration_set.photos)
        queries = sum(map(len, calibration_set.unanswerable.values()))
        edited = [
            self._edited_rows(number) if number < len(EDITS) else self._fitted_rows(number)
            for number in range(len(EDITS) + len(COPIES))
        ]
        texts = (2 * photos) + len(calibration_set.labels) + queries
        self._total = texts + photos + sum(map(len, edited))

    def run(self, faults: Callable[[], Sequence[str]] = lambda: ()) -> Outcome:
        """Test the model, and calibrate it unless it is refused.

        `faults` returns further reasons to refuse the model, and is called if there is no other.
        Raises UnreadableImage for a photo that cannot be decoded, InvalidQuery for a text to which
        the model assigns no usable vector.
        """
        captions = self._alone(self._model.texts, self._set.captions)
        images = self._photos()
        originals = images.fingerprints(range(len(self._set.photos)))
        photos = originals.embeddings
        test = RetrievalFigures(
            len(photos),
            int((ranks(captions, photos) == 0).sum()),
            recall(captions, photos),
        )
        least = LEAST_FOUND * test.photos
        if test.found_first < least:
            if better := self._better(Measured(captions, photos, captions), LEAST_FOUND):
                return Outcome(test, None, self.wrong_preprocessing(better))
            return Outcome(test, None, self._too_few(test))
        labels = self._sentences(self._set.labels)
        if better := self._better(Measured(captions, photos, labels)):
            return Outcome(test, None, self.wrong_preprocessing(better))
        if reasons := list(faults()):
            return Outcome(test, None, f"{self._model.name} is inaccurate: {'; '.join(reasons)}")
        return self._fit(test, captions, originals, labels, images)

    def _fit(
        self,
        test: RetrievalFigures,
        captions: Embedding,
        originals: Fingerprints,
        labels: Embedding,
        images: PhotoEmbeddings,
    ) -> Outcome:
        edits, weights = self._edits(images, originals)
        vectors = CalibrationVectors(
            captions=captions,
            photos=originals.embeddings,
            edits=edits,
            unanswerable={
                name: self._alone(self._model.texts, texts)
                for name, texts in self._set.unanswerable.items()
            },
            labels=labels,
            kinds=self._set.kind_names,
        )
        found = [
            _found_first(edit.vectors, edit.rows, vectors.photos).mean() for edit in edits.values()
        ]
        test = RetrievalFigures(
            test.photos,
            test.found_first,
            test.text_to_image,
            round(100 * float(np.mean(found)), 1),
        )
        try:
            fitted = fit(vectors, self._temperature(vectors.photos), weights)
        except NothingToFit as unfit:
            return Outcome(test, None, f"{self._model.name} cannot be calibrated: {unfit}")
        self._progress(self._total, self._total)
        return Outcome(test, fitted)

    def _edits(
        self, images: PhotoEmbeddings, originals: Fingerprints
    ) -> tuple[dict[str, Edited], Weights]:
        """The embeddings of the edits by name, and the duplicate weights."""
        some = self._fitted_rows(0)
        pairs = [training_pairs(_some(originals, some), originals, some, is_copy=False)]
        edits = {}
        for number, name in enumerate((*EDITS, *COPIES)):
            fitted = self._fitted_rows(number)
            copies = images.fingerprints(fitted, name)
            pairs.append(training_pairs(copies, originals, fitted, is_copy=True))
            if name in EDITS:
                rest = [row for row in self._edited_rows(number) if row not in fitted]
                vectors = np.concatenate([copies.embeddings, images.vectors(rest, name)])
                rows = np.array([*fitted, *rest])
                order = np.argsort(rows)
                edits[name] = Edited(rows[order], vectors[order])
        features, same = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return edits, rounded(fit_weights(features, same))

    def _edited_rows(self, number: int) -> Sequence[int]:
        """The photos of the edit with this number: half of all, and all of `PARTNER_EDIT`.

        Half of them are in each half of the cross-validation, which is by parity.
        """
        rows, fitted = range(len(self._set.photos)), self._fitted_rows(number)
        if EDITS[number] == PARTNER_EDIT:
            return rows
        return [row for row in rows if (row // 2 + number) % 2 == 0 or row in fitted]

    def _fitted_rows(self, number: int) -> Sequence[int]:
        """The photos whose copies the duplicate weights are fitted on: part of the edited ones."""
        photos = len(self._set.photos)
        return range(2 * (number % 2), photos, 4 if photos >= _ENOUGH_PHOTOS else 2)

    def _temperature(self, photos: Embedding) -> float:
        labels = [label_of(caption) for caption in self._set.captions]
        encoder = LabelEncoder(self._model.texts, self._model.prompts)
        cosines = photos @ encoder.encode_labels(labels).T
        self._report(len(labels))
        return round(fit_temperature(cosines, np.arange(len(photos))), 4)

    def _better(self, measured: Measured, least_found: float = 0.0) -> Better | None:
        return better_variant(
            measured,
            self._model.alternatives(),
            self._variant_photos,
            self._variant_captions,
            published=self._model.preprocessing_is_published,
            least_found=least_found,
        )

    def _variant_photos(self, variant: Variant, rows: Sequence[int]) -> Embedding:
        images = self._model.with_variant(variant).images
        report = self._report_more
        return PhotoEmbeddings(self._set.photos, images, self._editor, report).vectors(rows)

    def _variant_captions(self, variant: Variant, rows: Sequence[int]) -> Embedding:
        texts = self._model.with_variant(variant).texts
        return np.concatenate([texts.encode_texts([self._set.captions[row]]) for row in rows])

    def _photos(self) -> PhotoEmbeddings:
        return PhotoEmbeddings(self._set.photos, self._model.images, self._editor, self._report)

    def _alone(self, encoder: TextEncoder, texts: Sequence[str]) -> Embedding:
        """[N, D]; embedded one by one, like queries."""
        rows = []
        for text in texts:
            rows.append(encoder.encode_texts([text]))
            self._report(1)
        return np.concatenate(rows)

    def _sentences(self, texts: Sequence[str]) -> Embedding:
        """[N, D]; embedded in batches of similar length, which takes half the time."""
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        batches = []
        for start in range(0, len(order), _TEXT_BATCH):
            rows = order[start : start + _TEXT_BATCH]
            batches.append(self._model.texts.encode_texts([texts[row] for row in rows]))
            self._report(len(rows))
        return np.concatenate(batches)[np.argsort(order)]

    def _report(self, embedded: int) -> None:
        self._done += embedded
        self._progress(self._done, self._total)

    def _report_more(self, embedded: int) -> None:
        """Items that are embedded only if a variant is compared in full."""
        self._total += embedded
        self._report(embedded)

    def _too_few(self, test: RetrievalFigures) -> str:
        return (
            f"{self._model.name} finds the right {self._photo} first for {test.found_first} of"
            f" {test.photos} captions, fewer than {LEAST_FOUND:.0%}: it does not recognize what"
            " these photos show"
        )

    def wrong_preprocessing(self, better: Better) -> str:
        """The reason; states the captions found or, for a variant that finds no more, the gain."""
        variant = " and ".join(each.description for each in better.variant)
        stated = " and ".join(each.stated for each in better.variant)
        wrong = f"{self._model.name} has the wrong preprocessing in its manifest: with {variant}"
        if better.found > better.stated_found:
            return (
                f"{wrong} it finds the right {self._photo} first for {better.found} of"
                f" {len(self._set.photos)} captions, with {stated} for {better.stated_found}"
            )
        return (
            f"{wrong} the cosines of photos to their captions stand out from those to other texts"
            f" {better.gain:.0%} more than with {stated}"
        )

    @property
    def _photo(self) -> str:
        return "sample photo" if self._set.is_of_samples else "photo"


def fit(vectors: CalibrationVectors, temperature: float, duplicates: Weights) -> Fitted:
    """Fit relevance, and measure it. Raises NothingToFit."""
    labels, photos = background_rows(vectors.labels), background_rows(vectors.photos)
    backgrounds = Backgrounds.of_rows(labels, photos)
    _, curves = fit_relevance(evidence(vectors), vectors.photos, backgrounds)
    apart = held_out(vectors, backgrounds)
    relevance = Relevance({kind: (backgrounds.of(kind), curve) for kind, curve in curves.items()})
    every = np.ones(len(vectors.photos), bool)
    passed = nonsense(vectors, REPORTING, [(every, relevance)]).relevance >= 0.5
    return Fitted(
        labels=labels,
        photos=photos,
        curves=curves,
        neighbors={kind: backgrounds.of(kind).neighbors for kind in curves},
        temperature=temperature,
        duplicates=duplicates,
        held_out=apart,
        on_all=on_all(vectors, relevance),
        nonsense_share=round(float(passed.any(axis=1).mean()), 3),
    )


def _found_first(
    queries: Embedding, own: NDArray[np.int64], photos: Embedding
) -> NDArray[np.bool_]:
    """[Q]: True for a query whose own photo is nearer than all others; a tie does not count."""
    scores = queries @ photos.T
    nearest = scores[np.arange(len(own)), own][:, None]
    return np.asarray((scores >= nearest).sum(axis=1) == 1)


def _some(images: Fingerprints, rows: Sequence[int]) -> Fingerprints:
    return Fingerprints(
        images.embeddings[list(rows)],
        [images.hashes[row] for row in rows],
        [images.miniatures[row] for row in rows],
    )
