"""Image encoder: order, unreadable files, and vectors that do not depend on the batch."""

from __future__ import annotations

import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from imagesearch.domain.errors import ConfigurationError, UnreadableImage
from imagesearch.domain.images import EncodedImage
from imagesearch.embedding import session
from imagesearch.embedding.image_encoder import IMAGE_BATCH_SIZE, OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.session import OnnxSession, depends_on_batch, open_session
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture
def encoder(tiny_model, manifest, pool):
    return OnnxImageEncoder(tiny_model, manifest, decoders=pool)


@pytest.fixture
def color(saved):
    return lambda *rgb: saved(Image.new("RGB", (40, 40), rgb), "PNG")


def test_an_image_is_embedded_with_its_details(encoder, quadrants, saved):
    (image,) = encoder.encode_images([saved(quadrants, "JPEG")])
    assert (image.width, image.height, image.content_type) == (96, 64, "image/jpeg")
    assert image.embedding.dtype == np.float32
    assert image.embedding.shape == (4,)
    assert np.linalg.norm(image.embedding) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 19])
def test_embeddings_keep_the_order_of_the_images(count, encoder, color):
    reds = np.linspace(0, 120, count).astype(int)
    found = encoder.encode_images([color(red, 0, 0) for red in reds])
    assert len(found) == count
    first = [image.embedding[0] for image in found]
    assert first == sorted(first, reverse=False)


def test_each_core_runs_a_batch_on_one_thread(tiny_model, manifest, pool, color, monkeypatch):
    threads, cores = [], threading.Barrier(3)
    opened, run = session.open_session, OnnxSession.run

    def recorded(path, *, options):
        threads.append(options.intra_op_num_threads)
        return opened(path, options=options)

    def together(self, feed):
        cores.wait(PATIENCE_SECONDS)
        return run(self, feed)

    monkeypatch.setattr(session, "open_session", recorded)
    monkeypatch.setattr(session, "usable_cores", lambda: cores.parties)
    monkeypatch.setattr(OnnxSession, "run", together)
    encoder = OnnxImageEncoder(tiny_model, manifest, decoders=pool)
    encoder.encode_images([color(255, 0, 0)] * cores.parties * IMAGE_BATCH_SIZE)
    assert threads == [1]


def test_an_unreadable_image_yields_its_error_in_its_position(encoder, color):
    files = [color(255, 0, 0), b"", color(0, 255, 0), b"text", color(0, 0, 255)]
    found = encoder.encode_images(files)
    kinds = [EncodedImage, UnreadableImage] * 2 + [EncodedImage]
    assert [type(image) for image in found] == kinds
    assert [int(np.argmax(image.embedding)) for image in found[::2]] == [0, 1, 2]
    assert [error.code for error in found[1::2]] == ["empty_file", "not_an_image"]


def test_a_batch_can_consist_of_unreadable_images(encoder):
    assert [e.code for e in encoder.encode_images([b""] * 9)] == ["empty_file"] * 9


def test_only_the_image_with_a_zero_vector_is_unreadable(model_copy, rewrite, pool, color):
    rewrite(model_copy, {"image": {"mean": [0.0, 0.0, 0.0]}})
    encoder = OnnxImageEncoder(model_copy, load_manifest(model_copy), decoders=pool)
    black, red = encoder.encode_images([color(0, 0, 0), color(255, 0, 0)])
    assert black.code == "no_embedding"
    assert red.embedding.tolist() == [1, 0, 0, 0]


def test_the_encoder_reports_model_and_decoder(encoder):
    assert encoder.model == "tiny"
    assert "pillow-" in encoder.decoder


def test_a_closed_encoder_restarts_on_use(encoder, color):
    encoder.encode_images([color(1, 2, 3)])
    encoder.close()
    assert isinstance(encoder.encode_images([color(1, 2, 3)])[0], EncodedImage)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"image": {"input": "pixels"}}, "pixels"), ({"image": {"output": "vectors"}}, "vectors"),
     ({}, "cannot be loaded")],
)  # fmt: skip
def test_a_graph_that_does_not_match_the_manifest_is_rejected(
    change, message, model_copy, rewrite, pool
):
    if not change:
        (model_copy / "image.onnx").write_bytes(b"no graph")
    rewrite(model_copy, change)
    with pytest.raises(ConfigurationError, match=message):
        OnnxImageEncoder(model_copy, load_manifest(model_copy), decoders=pool)


pytestmark = pytest.mark.slow

DIM, LOUD, STD = (9, 40, 70), (255, 255, 255), [0.3, 0.5, 0.7]
DYNAMIC = [
    helper.make_node("DynamicQuantizeLinear", ["exact"], ["q", "scale", "zero"]),
    helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["rounded"]),
]


def round_dynamically(path, name):
    """Insert dynamic quantization after the node that produces the tensor `name`."""
    model = onnx.load(path)
    nodes = list(model.graph.node)
    at = next(place for place, node in enumerate(nodes) if name in node.output)
    for node in nodes[at + 1 :]:
        node.input[:] = ["rounded" if each == name else each for each in node.input]
    nodes[at].output[:] = ["exact"]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[: at + 1], *DYNAMIC, *nodes[at + 1 :]])
    onnx.save(model, path)


@pytest.fixture
def images(model_copy, rewrite, pool):
    round_dynamically(model_copy / "image.onnx", "mean")
    rewrite(model_copy, {"image": {"mean": [0.0] * 3, "std": STD}})
    return OnnxImageEncoder(model_copy, load_manifest(model_copy), decoders=pool)


@pytest.fixture
def texts(model_copy, rewrite):
    path = model_copy / "text.onnx"
    model = onnx.load(path)
    table = next(part for part in model.graph.initializer if part.name == "table")
    rows = numpy_helper.to_array(table) * np.geomspace(1, 1000, table.dims[0])[:, None]
    table.CopyFrom(numpy_helper.from_array(rows.astype(np.float32), "table"))
    onnx.save(model, path)
    round_dynamically(path, "rows")
    rewrite(model_copy, {})
    return OnnxTextEncoder(model_copy, load_manifest(model_copy))


def test_dynamic_quantization_makes_vectors_depend_on_the_batch(images, model_copy):
    """This is a precondition of the next tests."""
    session = open_session(model_copy / "image.onnx")
    values = np.array([DIM, LOUD], np.float32) / 255 / np.array(STD, np.float32)
    pixels = np.broadcast_to(values[..., None, None], (2, 3, 32, 32))
    (alone,) = session.run(None, {"pixel_values": pixels[:1]})
    (together,) = session.run(None, {"pixel_values": pixels})
    assert not np.allclose(alone[0], together[0], rtol=1e-3)


def test_an_image_vector_does_not_depend_on_the_batch(images, saved):
    dim, loud = (saved(Image.new("RGB", (40, 40), color), "PNG") for color in (DIM, LOUD))
    (alone,) = images.encode_images([dim])
    for others in ([loud], [loud] * 7):
        first, *_ = images.encode_images([dim, *others])
        assert np.array_equal(first.embedding, alone.embedding)


def test_a_text_vector_does_not_depend_on_the_batch(texts):
    """The last words of the tiny model have the largest values."""
    alone = texts.encode_texts(["red"])[0]
    together = texts.encode_texts(["a blue bicycle", "red", "green"])
    assert np.array_equal(together[1], alone)


@pytest.fixture
def graph_of(tmp_path):
    def write(*nodes):
        x = helper.make_tensor_value_info("exact", TensorProto.FLOAT, None)
        y = helper.make_tensor_value_info("rounded", TensorProto.FLOAT, None)
        path = tmp_path / "graph.onnx"
        onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [y])), path)
        return path

    return write


def inside(*nodes):
    branch = helper.make_graph(nodes, "branch", [], [])
    return helper.make_node("If", ["condition"], ["rounded"], then_branch=branch)


@pytest.mark.parametrize(
    "nodes",
    [
        DYNAMIC,
        [inside(*DYNAMIC)],
        [helper.make_node("DynamicQuantizeMatMul", ["exact", "w"], ["rounded"])],
    ],
)
def test_a_graph_with_batch_wide_scales_runs_one_image_at_a_time(nodes, graph_of):
    assert depends_on_batch(graph_of(*nodes))


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("QuantizeLinear", ["exact", "scale", "zero"], ["rounded"]),
        helper.make_node("Relu", ["exact"], ["rounded"], name="DynamicQuantizeLinear"),
    ],
)
def test_a_graph_with_fixed_scales_runs_in_batches(node, graph_of):
    assert not depends_on_batch(graph_of(node))


def test_an_unrecognized_graph_runs_one_image_at_a_time(tmp_path):
    (tmp_path / "graph.onnx").write_bytes(b"\xff" * 40)
    assert depends_on_batch(tmp_path / "graph.onnx")
