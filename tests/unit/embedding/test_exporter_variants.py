"""Graphs of other exporters run through the same code, configured by the manifest."""

from __future__ import annotations

import json
import struct

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder

pytestmark = pytest.mark.slow

TEXTS = ["red", "a red bicycle", "blue"]
DIMENSION = 4


def safetensors(matrix, **more):
    """The matrix as a safetensors file."""
    kind = {"float32": "F32", "float16": "F16"}[matrix.dtype.name]
    entry = {"dtype": kind, "shape": matrix.shape, "data_offsets": [0, matrix.nbytes]}
    header = json.dumps({"__metadata__": {}, "linear.weight": entry} | more).encode()
    return struct.pack("<Q", len(header)) + header + matrix.tobytes()


@pytest.fixture
def texts_of(model_copy, rewrite):
    """Embeds TEXTS after an edit of the text graph and changes of the manifest."""

    def embed(edit=lambda graph: None, texts=TEXTS, **changes):
        model = onnx.load(model_copy / "text.onnx")
        edit(model.graph)
        onnx.save(model, model_copy / "text.onnx")
        rewrite(model_copy, {"text": changes})
        return OnnxTextEncoder(model_copy, load_manifest(model_copy)).encode_texts(texts)

    return embed


@pytest.fixture
def embedded(pool, saved, quadrants):
    """Embeds an image with the model in a folder."""

    def embed(folder):
        encoder = OnnxImageEncoder(folder, load_manifest(folder), decoders=pool)
        (image,) = encoder.encode_images([saved(quadrants, "PNG")])
        return image.embedding

    return embed


def cast_inputs(graph, element):
    """Change the inputs to this element type, and cast them to int64."""
    for given in graph.input:
        given.type.tensor_type.elem_type = element
        name = given.name
        for node in graph.node:
            node.input[:] = [f"{name}_cast" if each == name else each for each in node.input]
        graph.node.insert(
            0, helper.make_node("Cast", [name], [f"{name}_cast"], to=TensorProto.INT64)
        )


def test_token_ids_can_be_int32(texts_of):
    plain = texts_of()
    assert np.array_equal(texts_of(lambda graph: cast_inputs(graph, TensorProto.INT32)), plain)


def test_texts_are_padded_to_the_fixed_length_of_a_graph(texts_of):
    def fix(graph):
        for given in graph.input:
            given.type.tensor_type.shape.dim[1].dim_value = 8

    plain = texts_of()
    assert np.allclose(texts_of(fix, length="fixed"), plain)


def test_inputs_and_outputs_can_have_other_names(texts_of):
    def rename(graph):
        names = {"input_ids": "tokens", "attention_mask": "which", "text_embeds": "vector"}
        for value in [*graph.input, *graph.output]:
            value.name = names[value.name]
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]

    plain = texts_of()
    changes = {"input_ids": "tokens", "attention_mask": "which", "output": "vector"}
    assert np.array_equal(texts_of(rename, **changes), plain)


def test_outputs_are_normalized(texts_of):
    def scale(graph):
        last = graph.node[-1]
        last.output[0] = "short"
        graph.initializer.append(numpy_helper.from_array(np.float32(40), "forty"))
        graph.node.append(helper.make_node("Mul", ["short", "forty"], ["text_embeds"]))

    plain = texts_of()
    assert np.allclose(texts_of(scale), plain, atol=1e-6)
    assert np.allclose(np.linalg.norm(plain, axis=1), 1)


@pytest.mark.parametrize("element", [np.float32, np.float16])
def test_token_outputs_are_pooled_and_projected(element, texts_of, model_copy):
    """Pooling must equal the mask sum at the end of the tiny graph."""
    matrix = np.eye(DIMENSION, dtype=element)[::-1].copy()
    (model_copy / "projection.safetensors").write_bytes(safetensors(matrix))

    def output_tokens(graph):
        del graph.node[1:]
        graph.node[0].output[0] = "text_embeds"
        graph.output[0].type.tensor_type.shape.dim.add().dim_value = DIMENSION
        graph.node.append(helper.make_node("Identity", ["attention_mask"], ["unused"]))

    plain = texts_of()
    changes = {"pooling": "mean", "projection": "projection.safetensors"}
    assert np.allclose(texts_of(output_tokens, **changes), plain[:, ::-1], atol=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 40,
        safetensors(np.ones((DIMENSION, DIMENSION), np.float32))[:-1],
        safetensors(np.ones((DIMENSION + 1, DIMENSION), np.float32)),
        safetensors(np.ones(DIMENSION, np.float32)),
        safetensors(np.ones((DIMENSION, DIMENSION), np.float32), other={}),
    ],
)
def test_a_projection_of_another_shape_is_rejected(content, texts_of, model_copy):
    (model_copy / "projection.safetensors").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"projection\.safetensors"):
        texts_of(projection="projection.safetensors")


def test_pixels_can_be_float16(model_copy, rewrite, embedded):
    plain = embedded(model_copy)
    model = onnx.load(model_copy / "image.onnx")
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    model.graph.node[0].input[0] = "wide"
    cast = helper.make_node("Cast", ["pixel_values"], ["wide"], to=TensorProto.FLOAT)
    model.graph.node.insert(0, cast)
    onnx.save(model, model_copy / "image.onnx")
    rewrite(model_copy, {})
    assert np.allclose(embedded(model_copy), plain, atol=1e-3)


def test_a_graph_with_unsupported_inputs_is_rejected(texts_of):
    with pytest.raises(ConfigurationError, match="tensor"):
        texts_of(lambda graph: cast_inputs(graph, TensorProto.UINT8))


def test_a_manifest_that_contradicts_the_shapes_of_the_graph_is_rejected(texts_of):
    def require_8_tokens(graph):
        for given in graph.input:
            given.type.tensor_type.shape.dim[1].dim_value = 8

    def double_the_output(graph):
        graph.node[-1].output[0] = "half"
        graph.node.append(helper.make_node("Concat", ["half", "half"], ["text_embeds"], axis=1))
        graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2 * DIMENSION

    with pytest.raises(ConfigurationError, match="requires 8 tokens") as caught:
        texts_of(require_8_tokens)
    assert "text.length" in caught.value.hint
    with pytest.raises(ConfigurationError, match=r"requires 8 tokens, but .* 6"):
        texts_of(length="fixed", max_length=6)
    assert len(texts_of(length="fixed"))
    with pytest.raises(ConfigurationError, match="has 2 axes instead of 3"):
        texts_of(length="fixed", pooling="mean")
    with pytest.raises(ConfigurationError, match="has 8 dimensions, but the model has 4"):
        texts_of(double_the_output, length="fixed")
