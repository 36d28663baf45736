"""Text encoder: texts are tokenized, run through the ONNX graph, pooled and projected."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.deadline import is_query
from imagesearch.domain.errors import ConfigurationError, InvalidQuery, PayloadTooLarge
from imagesearch.domain.images import Embedding
from imagesearch.embedding.manifest import Manifest, load_verified, verify_file
from imagesearch.embedding.session import OnnxSession, contradiction, normalized
from imagesearch.embedding.tokenizer import TextTokenizer, Tokens, cleaner

TEXT_BATCH_SIZE = 16
# Of all texts that a query embeds at once: 1 to 2 s of CPU time with the starter model on AVX2.
MAX_QUERY_TOKENS = 2_048
# Between the products of a short text, sleeping and waking take a thread longer than its work: with
# AVX2 alone, CLIP takes 20% less time for 8 tokens. Batches and queries on a busy machine take as
# long as without; more microseconds make them slower.
_SPIN_MICROSECONDS = 20
# The threads of a run wait for each other after each product, and a second run uses that time: on
# two cores, texts one by one take 15 ms each instead of 17.
_CONCURRENT_RUNS = 2
_ELEMENTS = {"F32": "<f4", "F16": "<f2"}
_LENGTH_BYTES = 8


class OnnxTextEncoder:
    """Embeds texts with the text tower of a model; may be used from several threads."""

    def __init__(self, folder: Path, manifest: Manifest, *, threads: int | None = None) -> None:
        """Load the tokenizer and the graph; raises ConfigurationError."""
        self._manifest = manifest
        tower = manifest.text
        self._inputs = [name for name in (tower.input_ids, tower.attention_mask) if name]
        with ThreadPoolExecutor(1, thread_name_prefix="loading") as thread:
            session = thread.submit(
                load_verified,
                folder,
                tower.graph,
                manifest,
                lambda path: OnnxSession(
                    path,
                    self._inputs,
                    tower.output,
                    threads,
                    spin_microseconds=_SPIN_MICROSECONDS,
                ),
            )
            self._tokenizer = TextTokenizer(
                verify_file(folder, tower.tokenizer, manifest),
                tower.max_length,
                tower.pad_token_id,
                fixed=tower.length == "fixed",
                clean=cleaner(tower.clean),
            )
            self._projection = (
                projection(verify_file(folder, tower.projection, manifest), manifest.dimension)
                if tower.projection
                else None
            )
            self._session = session.result()
        _check_shapes(self._session, manifest, folder / tower.graph)
        self._max_batch_size = self._session.max_batch_size(TEXT_BATCH_SIZE)
        self._threads = ThreadPoolExecutor(_CONCURRENT_RUNS, thread_name_prefix="embedding")

    @property
    def graph_length(self) -> int | None:
        """The number of tokens that the graph requires; None if it takes any number."""
        return _fixed_length(self._session, self._manifest.text.input_ids)

    @property
    def model(self) -> str:
        return self._manifest.name

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Embed texts: [N, D] float32, L2-normalized, in their order.

        Raises InvalidQuery for a text to which the model assigns no usable vector, and
        PayloadTooLarge for texts of a query that have more than MAX_QUERY_TOKENS tokens in total.
        """
        batches = list(self._batches(texts))
        # The length of a single text is limited by the API.
        if is_query() and len(texts) > 1:
            _check_tokens(batches)
        # A single query is spared the change of the thread.
        several = len(texts) > self._max_batch_size
        outputs = self._threads.map(self._embed, batches) if several else map(self._embed, batches)
        empty = np.empty((0, self._manifest.dimension), np.float32)
        vectors, good = normalized(np.concatenate([empty, *outputs]))
        if not good.all():
            text = texts[int(np.argmin(good))]
            raise InvalidQuery(
                f"{self.model} returns no usable vector for {text[:80]!r}",
                "use other words",
                code="invalid_text",
            )
        return vectors

    def with_length(self, length: int | None) -> OnnxTextEncoder:
        """An encoder that pads texts to `length` tokens, or to the longest; shares the graph."""
        other = copy.copy(self)
        other._tokenizer = self._tokenizer.with_length(length)
        return other

    def _batches(self, texts: Sequence[str]) -> Iterator[Tokens]:
        for start in range(0, len(texts), self._max_batch_size):
            yield self._tokenizer(texts[start : start + self._max_batch_size])

    def _embed(self, tokens: Tokens) -> Embedding:
        output = self._session.run(dict(zip(self._inputs, tokens, strict=False)))
        if self._manifest.text.pooling == "mean":
            output = mean_over(tokens.attention_mask, output)
        matrix = self._projection
        width = self._manifest.dimension if matrix is None else len(matrix)
        self._session.require_shape(output, len(tokens.input_ids), width)
        return output if matrix is None else output @ matrix


def _check_tokens(batches: Sequence[Tokens]) -> None:
    """Raises PayloadTooLarge; padding is not counted."""
    tokens = sum(int(batch.attention_mask.sum()) for batch in batches)
    if tokens > MAX_QUERY_TOKENS:
        raise PayloadTooLarge(
            f"the texts of the request have {tokens:,} tokens; the maximum is {MAX_QUERY_TOKENS:,}",
            "send fewer or shorter texts, or split the request",
            "texts_too_large",
        )


def _fixed_length(session: OnnxSession, input_ids: str) -> int | None:
    *_, length = session.input_shape(input_ids)
    return length if isinstance(length, int) else None


def _check_shapes(session: OnnxSession, manifest: Manifest, path: Path) -> None:
    """Raises ConfigurationError for a manifest that contradicts the graph's stated shapes."""
    tower = manifest.text
    length = _fixed_length(session, tower.input_ids)
    if length and (tower.length != "fixed" or tower.max_length != length):
        raise contradiction(
            f"{path} requires {length} tokens, but the manifest pads texts to"
            f" {tower.max_length if tower.length == 'fixed' else 'the longest'}",
            f"set text.length to fixed and text.max_length to {length}",
        )
    shape = session.output_shape
    axes = 3 if tower.pooling else 2
    if shape and len(shape) != axes:
        raise contradiction(
            f"{path}: the output {tower.output!r} has {len(shape)} axes instead of {axes}",
            "text.pooling is for outputs of tokens: set or remove it, or name another output",
        )
    width = shape[-1] if shape and not tower.projection else None
    if isinstance(width, int) and width != manifest.dimension:
        raise contradiction(
            f"{path}: the output {tower.output!r} has {width} dimensions, but the model has"
            f" {manifest.dimension}",
            "correct the dimension in the manifest, or name the projection",
        )


def mean_over(mask: NDArray[np.int64], tokens: Embedding) -> Embedding:
    """Mean pooling: [N, W] from tokens [N, L, W], over the tokens whose mask [N, L] is 1."""
    weights = mask.astype(np.float32)[..., None]
    total: Embedding = (tokens * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    return total


def projection(path: Path, dimension: int) -> Embedding:
    """The single matrix [dimension, W] of a safetensors file, transposed: [W, dimension] float32.

    Raises ConfigurationError. Format: https://github.com/huggingface/safetensors#format
    """
    try:
        data = path.read_bytes()
        header_end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
        tensors = json.loads(data[_LENGTH_BYTES:header_end])
        tensors.pop("__metadata__", None)
        (tensor,) = tensors.values()
        matrix = _matrix(tensor, data[header_end:])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _invalid(f"{path} does not contain exactly one matrix: {error}") from error
    if matrix.ndim != 2 or matrix.shape[0] != dimension:
        raise _invalid(f"{path} has {matrix.shape[0]} dimensions, but the model has {dimension}")
    return np.ascontiguousarray(matrix.T, np.float32)


def _matrix(tensor: dict[str, Any], data: bytes) -> NDArray[Any]:
    begin, end = tensor["data_offsets"]
    return np.frombuffer(data[begin:end], _ELEMENTS[tensor["dtype"]]).reshape(tensor["shape"])


def _invalid(message: str) -> ConfigurationError:
    return ConfigurationError(message, "download the model again", "invalid_model")
