"""Files become vectors in their order, and a bad one leaves the others alone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imagesearch.domain.errors import ConfigurationError, UnreadableImage
from imagesearch.domain.images import EncodedImage
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest

pytestmark = pytest.mark.slow


@pytest.fixture
def encoder(tiny_model, manifest, pool):
    return OnnxImageEncoder(tiny_model, manifest, decoders=pool)


@pytest.fixture
def colour(saved):
    return lambda *rgb: saved(Image.new("RGB", (40, 40), rgb), "PNG")


def test_a_picture_is_embedded_with_what_is_known_of_it(encoder, quadrants, saved):
    (image,) = encoder.encode_images([saved(quadrants, "JPEG")])
    assert (image.width, image.height, image.content_type) == (96, 64, "image/jpeg")
    assert image.embedding.dtype == np.float32
    assert image.embedding.shape == (4,)
    assert np.linalg.norm(image.embedding) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 19])
def test_any_number_of_pictures_keeps_its_order(count, encoder, colour):
    reds = np.linspace(0, 120, count).astype(int)
    found = encoder.encode_images([colour(red, 0, 0) for red in reds])
    assert len(found) == count
    first = [image.embedding[0] for image in found]
    assert first == sorted(first, reverse=False)


def test_an_unreadable_picture_gives_its_error_in_its_place(encoder, colour):
    files = [colour(255, 0, 0), b"", colour(0, 255, 0), b"text", colour(0, 0, 255)]
    found = encoder.encode_images(files)
    kinds = [EncodedImage, UnreadableImage] * 2 + [EncodedImage]
    assert [type(image) for image in found] == kinds
    assert [int(np.argmax(image.embedding)) for image in found[::2]] == [0, 1, 2]
    assert [error.code for error in found[1::2]] == ["empty_file", "not_an_image"]


def test_unreadable_pictures_alone_are_a_batch_too(encoder):
    assert [e.code for e in encoder.encode_images([b""] * 9)] == ["empty_file"] * 9


def test_a_picture_without_a_direction_is_unreadable_and_its_neighbours_are_not(
    model_copy, rewrite, pool, colour
):
    rewrite(model_copy, {"image": {"mean": [0.0, 0.0, 0.0]}})
    encoder = OnnxImageEncoder(model_copy, load_manifest(model_copy), decoders=pool)
    black, red = encoder.encode_images([colour(0, 0, 0), colour(255, 0, 0)])
    assert black.code == "no_embedding"
    assert red.embedding.tolist() == [1, 0, 0, 0]


def test_it_names_its_model_and_its_decoder(encoder):
    assert encoder.model == "tiny"
    assert "pillow-" in encoder.decoder


def test_a_closed_encoder_starts_again(encoder, colour):
    encoder.encode_images([colour(1, 2, 3)])
    encoder.close()
    assert isinstance(encoder.encode_images([colour(1, 2, 3)])[0], EncodedImage)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"image": {"input": "pixels"}}, "pixels"), ({"image": {"output": "vectors"}}, "vectors"),
     ({}, "cannot be loaded")],
)  # fmt: skip
def test_a_graph_that_is_not_as_the_manifest_says_is_refused(
    change, said, model_copy, rewrite, pool
):
    if not change:
        (model_copy / "image.onnx").write_bytes(b"no graph")
    rewrite(model_copy, change)
    with pytest.raises(ConfigurationError, match=said):
        OnnxImageEncoder(model_copy, load_manifest(model_copy), decoders=pool)
