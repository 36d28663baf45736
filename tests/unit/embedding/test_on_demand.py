"""Claims: an encoder is loaded by the first request, once, and again after an error."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from imagesearch.domain.errors import ConfigurationError, UnreadableImage
from imagesearch.domain.images import DetailOptions, Embedding, EncodedImage
from imagesearch.embedding.on_demand import OnDemandImageEncoder, OnDemandTextEncoder
from imagesearch.embedding.warm_up import warm_up
from tests.support.waiting import PATIENCE_SECONDS


class Texts:
    model = "fake"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        self.texts.extend(texts)
        return np.ones((len(texts), 2), np.float32)


class Images:
    model, decoder = "fake", "Pillow 1"

    def __init__(self) -> None:
        self.files: list[bytes] = []
        self.closed = 0

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        self.files.extend(images)
        return [UnreadableImage("not decoded here")] * len(images)

    def close(self) -> None:
        self.closed += 1


def counted(made: list[object], encoder: Callable[[], object]) -> Callable[[], object]:
    def load() -> object:
        made.append(encoder())
        return made[-1]

    return load


def test_the_first_text_loads_the_encoder_and_later_ones_use_it() -> None:
    made: list[object] = []
    texts = OnDemandTextEncoder("fake", counted(made, Texts))  # type: ignore[arg-type]
    assert texts.model == "fake"
    assert not made
    texts.encode_texts(["a"])
    texts.encode_texts(["b"])
    assert [each.texts for each in made] == [["a", "b"]]  # type: ignore[attr-defined]


def test_requests_at_the_same_time_load_one_encoder() -> None:
    made: list[object] = []
    texts = OnDemandTextEncoder("fake", counted(made, Texts))  # type: ignore[arg-type]
    both = Barrier(2)

    def request(text: str) -> None:
        both.wait()
        texts.encode_texts([text])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(request, "ab"))
    assert len(made) == 1


def test_an_encoder_that_cannot_be_loaded_is_loaded_again() -> None:
    results = iter([ConfigurationError("damaged", "pull it again"), Texts()])

    def load() -> Texts:
        result = next(results)
        if isinstance(result, ConfigurationError):
            raise result
        return result

    texts = OnDemandTextEncoder("fake", load)
    with pytest.raises(ConfigurationError, match="damaged"):
        texts.encode_texts(["a"])
    assert len(texts.encode_texts(["a"])) == 1


def test_the_decoder_and_its_end_load_no_graph() -> None:
    made: list[object] = []
    decoders = Images()
    images = OnDemandImageEncoder("fake", counted(made, Images), decoders)  # type: ignore[arg-type]
    assert images.decoder == "Pillow 1"
    images.close()
    assert decoders.closed == 1
    assert not made
    images.encode_images([b"file"])
    assert len(made) == 1


def test_the_warm_up_uses_both_encoders_or_the_image_encoder_alone() -> None:
    images, texts = Images(), Texts()
    warm_up(images, texts)
    assert len(texts.texts) == 1
    warm_up(images)
    assert len(texts.texts) == 1
    assert [file[:3] for file in images.files] == [b"\xff\xd8\xff"] * 2


def test_the_warm_up_loads_both_encoders_at_the_same_time() -> None:
    both = Barrier(2, timeout=PATIENCE_SECONDS)
    images, texts = Images(), Texts()

    def load_images() -> Images:
        both.wait()
        return images

    def load_texts() -> Texts:
        both.wait()
        return texts

    warm_up(
        OnDemandImageEncoder("fake", load_images, images), OnDemandTextEncoder("fake", load_texts)
    )
    assert (len(images.files), len(texts.texts)) == (1, 1)
