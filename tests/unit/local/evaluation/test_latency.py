"""Claims: latencies are medians of single calls, and an unreadable photo is an error."""

from collections.abc import Sequence

import numpy as np
import pytest

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions, Embedding, EncodedImage
from local.evaluation.latency import measured


class Recorder:
    """Encodes nothing, and records the sizes of its batches."""

    model, decoder = "recorder", "none"

    def __init__(self, result: EncodedImage | UnreadableImage) -> None:
        self.images: list[int] = []
        self.texts: list[int] = []
        self._result = result

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        self.images.append(len(images))
        return [self._result] * len(images)

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        self.texts.append(len(texts))
        return np.ones((len(texts), 4), np.float32)


def test_photos_and_texts_are_embedded_one_by_one() -> None:
    encoder = Recorder(EncodedImage(np.ones(4, np.float32), 1, 1, "image/png"))
    found = measured(encoder, encoder, [b"one", b"two"], ["a", "b", "c"])
    assert set(encoder.images) == set(encoder.texts) == {1}
    assert len(encoder.images) == len(encoder.texts)
    assert found.image_ms > 0
    assert found.text_ms > 0


def test_an_unreadable_photo_is_an_error() -> None:
    encoder = Recorder(UnreadableImage("it is not an image"))
    with pytest.raises(UnreadableImage):
        measured(encoder, encoder, [b"one"], ["a"])
