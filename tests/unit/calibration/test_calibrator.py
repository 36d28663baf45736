"""Claims: a model is calibrated, or rejected with one reason; progress reaches its total."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.calibration.calibrator import Calibrator
from imagesearch.calibration.evidence import CHOOSING, COPIES, EDITS, REPORTING
from imagesearch.calibration.ports import Alternative, Encoders, Step, Variant
from imagesearch.calibration.preprocessing_check import Better
from imagesearch.classification.prompts import Prompts
from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions, Details, Embedding, EncodedImage
from imagesearch.duplicates.miniatures import to_text

PHOTOS, DIMENSION = 24, 64
SET = CalibrationSet(
    "samples",
    [f"photo {number}".encode() for number in range(PHOTOS)],
    [f"a caption {number}" for number in range(PHOTOS)],
    [f"kind {number // 3}" for number in range(PHOTOS)],
    [f"label {number}" for number in range(40)],
    {CHOOSING: ["x 1", "x 2"], REPORTING: ["y 1", "y 2"]},
    starter_found=12,
)


def vector(name: str, noise: float = 0.0) -> Embedding:
    """A direction that depends on the number in the name, with noise from the whole name."""
    kind, _, number = name.rpartition(" ")
    # Texts that no photo matches have directions of their own.
    own = number if kind in ("photo", "a caption", "caption", "a photo of caption") else name
    first, second = (np.random.default_rng(abs(hash_of(each))) for each in (own, name))
    row = first.normal(size=DIMENSION) + noise * second.normal(size=DIMENSION)
    return np.asarray(row / np.linalg.norm(row), np.float32)


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[-7:])


class Texts:
    model = "fake"

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        return np.stack([vector(text, 0.7) for text in texts])


@dataclass
class Images:
    """Recognizes the photos unless `blind`; edits add noise."""

    blind: bool = False
    model: str = "fake"
    decoder: str = "fake 1"

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        return [self._encoded(image.decode()) for image in images]

    def _encoded(self, photo: str) -> EncodedImage:
        name, _, edit = photo.partition("|")
        row = vector(f"blind {photo}" if self.blind else name, 0.7)
        if edit:
            row = row + 0.5 * vector(photo)
        rng = np.random.default_rng(hash_of(name))
        miniature = to_text(rng.integers(0, 255, (24, 24)).astype(np.float32), 1.5)
        details = Details(f"{int(rng.integers(2**62)):016x}", miniature)
        unit = np.asarray(row / np.linalg.norm(row), np.float32)
        return EncodedImage(unit, 9, 6, "image/png", details=details)


class Editor:
    def edited(self, photo: bytes, edit: str) -> bytes:
        assert edit in (*EDITS, *COPIES)
        return photo + f"|{edit}".encode()


@dataclass
class Model:
    images: Images = field(default_factory=Images)
    texts: Texts = field(default_factory=Texts)
    name: str = "fake"
    prompts: Prompts = field(default_factory=Prompts)
    others: Mapping[str, Images] = field(default_factory=dict)

    preprocessing_is_published = False

    def alternatives(self) -> Sequence[Alternative]:
        return [Alternative(Step.RESIZE, "stretching", name) for name in self.others]

    def with_variant(self, variant: Variant) -> Encoders:
        (alternative,) = variant
        return Encoders(self.others[alternative.description], self.texts)


def test_a_model_that_recognizes_the_photos_is_calibrated() -> None:
    seen: list[tuple[int, int]] = []
    report = lambda done, total: seen.append((done, total))  # noqa: E731
    outcome = Calibrator(Model(), SET, Editor(), report).run()
    assert outcome.refusal == ""
    assert outcome.fitted
    assert outcome.test.photos == PHOTOS
    assert outcome.test.found_first == PHOTOS
    assert outcome.test.edit_to_original == 100
    assert 0.002 <= outcome.fitted.temperature <= 0.5
    assert outcome.fitted.duplicates.cosine > 0
    assert (outcome.fitted.labels.dtype, outcome.fitted.labels.shape) == (np.int8, (40, DIMENSION))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


def test_a_model_that_does_not_recognize_the_photos_is_rejected_with_its_figures() -> None:
    outcome = Calibrator(Model(Images(blind=True)), SET, Editor()).run()
    assert outcome.fitted is None
    assert outcome.refusal == (
        f"fake finds the right sample photo first for {outcome.test.found_first} of 24 captions,"
        " fewer than 25%: it does not recognize what these photos show"
    )
    assert outcome.test.edit_to_original is None


def test_the_preprocessing_that_scores_better_is_named() -> None:
    model = Model(Images(blind=True), others={"padding": Images(), "a crop": Images(blind=True)})
    outcome = Calibrator(model, SET, Editor()).run()
    assert outcome.refusal.startswith(
        "fake has the wrong preprocessing in its manifest: with padding it finds the right sample"
        " photo first for 24 of 24 captions, with stretching for "
    )


def test_a_variant_that_finds_no_more_photos_is_named_with_its_separation() -> None:
    alternatives = (
        Alternative(Step.CHANNELS, "red first", "blue first"),
        Alternative(Step.RESIZE, "stretching", "padding"),
    )
    better = Better(alternatives, found=44, stated_found=46, gain=0.061)
    assert Calibrator(Model(), SET, Editor()).wrong_preprocessing(better) == (
        "fake has the wrong preprocessing in its manifest: with blue first and padding the cosines"
        " of photos to their captions stand out from those to other texts 6% more than with red"
        " first and stretching"
    )


def test_a_model_with_further_faults_is_rejected() -> None:
    outcome = Calibrator(Model(), SET, Editor()).run(lambda: ["one fault", "another"])
    assert outcome.refusal == "fake is inaccurate: one fault; another"
    assert outcome.fitted is None


def test_other_preprocessing_without_a_gain_is_not_reported() -> None:
    model = Model(others={"padding": Images(), "a crop": Images(blind=True)})
    assert Calibrator(model, SET, Editor()).run(lambda: ["stop"]).refusal.endswith("stop")


def test_a_photo_that_cannot_be_decoded_is_an_error() -> None:
    class Broken(Images):
        def encode_images(
            self, images: Sequence[bytes], details: DetailOptions | None = None
        ) -> list[EncodedImage | UnreadableImage]:
            return [UnreadableImage("it is broken") for _ in images]

    with pytest.raises(UnreadableImage, match="it is broken"):
        Calibrator(Model(Broken()), SET, Editor()).run()
