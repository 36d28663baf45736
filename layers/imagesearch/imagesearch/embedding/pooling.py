"""What some models leave to who runs them: the mean of the tokens, and a matrix behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.images import Embedding

ELEMENTS = {"F32": "<f4", "F16": "<f2"}
LENGTH_BYTES = 8


def mean_over(mask: NDArray[np.int64], tokens: Embedding) -> Embedding:
    """The mean of tokens [N, L, W] where the mask [N, L] is 1: [N, W]."""
    weights = mask.astype(np.float32)[..., None]
    total: Embedding = (tokens * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    return total


def projection(path: Path, dimension: int) -> Embedding:
    """The one matrix of a safetensors file, [dimension, W] there, as [W, dimension].

    Raises ConfigurationError. Format: https://github.com/huggingface/safetensors#format
    """
    try:
        data = path.read_bytes()
        behind = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
        tensors = json.loads(data[LENGTH_BYTES:behind])
        tensors.pop("__metadata__", None)
        (tensor,) = tensors.values()
        matrix = _matrix(tensor, data[behind:])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _wrong(f"{path} does not hold one matrix: {error}") from error
    if matrix.ndim != 2 or matrix.shape[0] != dimension:
        raise _wrong(f"{path} makes {matrix.shape[0]} numbers, and the model has {dimension}")
    return np.ascontiguousarray(matrix.T, np.float32)


def _matrix(tensor: dict[str, Any], data: bytes) -> NDArray[Any]:
    begin, end = tensor["data_offsets"]
    return np.frombuffer(data[begin:end], ELEMENTS[tensor["dtype"]]).reshape(tensor["shape"])


def _wrong(message: str) -> ConfigurationError:
    return ConfigurationError(message, "fetch the model again", "invalid_model")
