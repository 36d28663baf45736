"""Text encoder: truncation, padding and normalized vectors."""

from __future__ import annotations

from threading import Barrier

import numpy as np
import onnx
import pytest

from imagesearch.domain.deadline import query
from imagesearch.domain.errors import ConfigurationError, InvalidQuery, PayloadTooLarge
from imagesearch.embedding import text_encoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import MAX_QUERY_TOKENS, OnnxTextEncoder
from imagesearch.embedding.tokenizer import TextTokenizer
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

START, END, PAD = 2, 3, 0


@pytest.fixture
def encoder(tiny_model, manifest):
    return OnnxTextEncoder(tiny_model, manifest)


@pytest.fixture
def tokenizer(tiny_model):
    return TextTokenizer(tiny_model / "tokenizer.json", 8, PAD)


def test_a_batch_is_padded_to_its_longest_text(tokenizer):
    tokens = tokenizer(["a red bicycle", "red"])
    assert tokens.input_ids.tolist() == [[START, 4, 5, 8, END], [START, 5, END, PAD, PAD]]
    assert tokens.attention_mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert tokens.input_ids.dtype == tokens.attention_mask.dtype == np.int64


def test_a_long_text_is_truncated_and_keeps_its_end_token(tokenizer):
    tokens = tokenizer(["red " * 50])
    assert tokens.input_ids.tolist() == [[START, *[5] * 6, END]]


def test_texts_are_embedded_in_their_order(encoder):
    texts = ["red", "green", "blue", "a red bicycle"] * 10
    together = encoder.encode_texts(texts)
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1)
    assert np.allclose(together, alone, atol=1e-6)


def test_an_empty_list_of_texts_has_no_vectors(encoder):
    assert encoder.encode_texts([]).shape == (0, 4)


def test_the_texts_of_a_query_are_limited_by_their_tokens(encoder):
    """Each has 8 tokens, however long it is; padding is not counted."""
    texts = ["red " * 50] * (MAX_QUERY_TOKENS // 8)
    with query():
        assert len(encoder.encode_texts(texts)) == len(texts)
        with pytest.raises(PayloadTooLarge) as error:
            encoder.encode_texts([*texts, "red"])
    assert error.value.code == "texts_too_large"
    assert len(encoder.encode_texts([*texts, "red"])) == len(texts) + 1


def test_a_graph_without_attention_mask_input_receives_none(model_copy, rewrite):
    model = onnx.load(model_copy / "text.onnx")
    model.graph.input.pop()
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.ones((1, 1), np.int64), "attention_mask")
    )
    onnx.save(model, model_copy / "text.onnx")
    rewrite(model_copy, {"text": {"attention_mask": None}})
    encoder = OnnxTextEncoder(model_copy, load_manifest(model_copy))
    assert encoder.encode_texts(["red"]).shape == (1, 4)


@pytest.mark.parametrize("text", ["", "\ud800", "\0", "🚲" * 500, "\n", "a\u202eb"])
def test_any_text_is_embedded(text, encoder):
    assert np.isfinite(encoder.encode_texts([text])).all()


def test_a_text_with_a_zero_vector_is_an_invalid_query(model_copy, rewrite):
    model = onnx.load(model_copy / "text.onnx")
    table = next(part for part in model.graph.initializer if part.name == "table")
    table.CopyFrom(onnx.numpy_helper.from_array(np.zeros((9, 4), np.float32), "table"))
    onnx.save(model, model_copy / "text.onnx")
    rewrite(model_copy, {})
    with pytest.raises(InvalidQuery, match="red"):
        OnnxTextEncoder(model_copy, load_manifest(model_copy)).encode_texts(["red"])


def test_an_invalid_tokenizer_file_is_rejected(tiny_model):
    with pytest.raises(ConfigurationError, match=r"image\.onnx"):
        TextTokenizer(tiny_model / "image.onnx", 8, PAD)


def test_the_tokenizer_is_read_while_the_graph_is_loaded(tiny_model, manifest, monkeypatch):
    both = Barrier(2, timeout=PATIENCE_SECONDS)

    def waiting(load):
        def wait_and_load(*arguments, **options):
            both.wait()
            return load(*arguments, **options)

        return wait_and_load

    for name in ("OnnxSession", "TextTokenizer"):
        monkeypatch.setattr(text_encoder, name, waiting(getattr(text_encoder, name)))
    assert OnnxTextEncoder(tiny_model, manifest).encode_texts(["red"]).shape == (1, 4)
