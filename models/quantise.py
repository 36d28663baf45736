"""Turns float32 weights into int8 rows and blocks, rounded to nearest, symmetric around zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
LARGEST_INT8 = 127
# MatMulNBits keeps 8-bit weights unsigned, with zero at 128 unless told otherwise.
UNSIGNED_ZERO = 128


def rows_to_int8(table: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Table [rows, width] → int8 [rows, width] and scales [rows, 1]: row ≈ int8 · scale."""
    scales = _scales(table)
    return _rounded(table, scales).astype(np.int8), scales


def blocks_to_uint8(weight: Floats, block: int) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Weight [inputs, outputs] in MatMulNBits' layout, one scale for `block` inputs of an output.

    → uint8 [outputs, inputs / block, block] and scales [outputs, inputs / block].
    """
    inputs, outputs = weight.shape
    blocks = weight.T.reshape(outputs, inputs // block, block)
    scales = _scales(blocks)
    return (_rounded(blocks, scales) + UNSIGNED_ZERO).astype(np.uint8), scales[..., 0]


def _scales(values: Floats) -> Floats:
    largest = np.abs(values).max(axis=-1, keepdims=True)
    return np.where(largest > 0, largest / LARGEST_INT8, 1).astype(np.float32)


def _rounded(values: Floats, scales: Floats) -> Floats:
    rounded = np.clip(np.rint(values / scales), -LARGEST_INT8, LARGEST_INT8)
    return np.asarray(rounded, np.float32)
