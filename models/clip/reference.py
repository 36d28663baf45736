"""Inputs to compare CLIP graphs with CLIP in torch, reproducible with every version of numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from imagesearch.embedding.session import open_session
from models import Floats
from models.clip.weights import ClipShape, random_floats

Ids = npt.NDArray[np.int64]
Embeddings = dict[str, Floats]
PICTURES, TEXTS = 4, 5


def random_pixels(shape: ClipShape, seed: int) -> Floats:
    """[4, 3, S, S]."""
    return random_floats((seed, "pixels"), (PICTURES, 3, shape.image_size, shape.image_size))


def random_ids(shape: ClipShape, seed: int) -> Ids:
    """[5, context]: texts from empty to full length, padded with 0 as by OpenAI, or with the end
    token as by transformers."""
    end, start = shape.vocabulary - 1, shape.vocabulary - 2
    spread = random_floats((seed, "ids"), (TEXTS, shape.context))
    ids = (np.abs(spread) * 1000).astype(np.int64) % start
    ids[:, 0] = start
    for row, text in enumerate(ids):
        length = 1 + row * (shape.context - 2) // (TEXTS - 1)
        text[length:] = end if row % 2 else 0
        text[length] = end
    return ids


def described(shape: ClipShape) -> dict[str, Any]:
    return asdict(shape)


def run_graphs(
    image: onnx.ModelProto, text: onnx.ModelProto, pixels: Floats, ids: Ids
) -> Embeddings:
    """`image_embeds` and `text_embeds` of built graphs."""
    return {
        "image_embeds": _run(image, {"pixel_values": pixels}),
        "text_embeds": _run(text, {"input_ids": ids}),
    }


def difference(found: Floats, expected: Floats) -> tuple[float, float]:
    """Worst cosine and largest difference of two matrices of normalized vectors, [N, D]."""
    cosine = float((found.astype(np.float64) * expected).sum(axis=1).min())
    return cosine, float(np.abs(found - expected).max())


def _run(model: onnx.ModelProto, feed: Mapping[str, Floats | Ids]) -> Floats:
    session = open_session(model.SerializeToString())
    vectors: Floats = session.run(None, dict(feed))[0]
    return vectors
