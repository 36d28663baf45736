"""Whether a session multiplies signed 8-bit weights exactly on this machine.

Where a CPU has no VNNI, the kernel for signed weights adds two products in 16 bits, and large ones
are cut off, unless the session is told to avoid that kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagesearch.embedding.protobuf import bytes_field, varint_field

DEPTH, WIDTH = 64, 64
UINT8, INT8, INT32 = 2, 3, 6


def exact_with(open_model: Callable[[bytes], Any]) -> bool:
    """Multiplies the largest values there are, and compares with what they must give.

    open_model: makes an onnxruntime session, with the options in question, of a model's bytes.
    """
    for weight in (127, -128):
        session = open_model(_multiplication(weight))
        for rows in (1, 2, 50):
            left = np.full((rows, DEPTH), 255, np.uint8)
            (product,) = session.run(None, {"left": left})
            if not np.array_equal(product, np.full((rows, WIDTH), DEPTH * 255 * weight)):
                return False
    return True


def _multiplication(weight: int) -> bytes:
    """`left` [N, M] uint8 times a constant [M, K] of int8, as an ONNX model."""
    node = bytes_field(
        1,
        [
            bytes_field(1, [b"left"]),
            bytes_field(1, [b"right"]),
            bytes_field(2, [b"product"]),
            bytes_field(4, [b"MatMulInteger"]),
        ],
    )
    graph = [
        node,
        bytes_field(2, [b"multiplication"]),
        bytes_field(5, _constant("right", np.full((DEPTH, WIDTH), weight, np.int8))),
        bytes_field(11, _value("left", UINT8)),
        bytes_field(12, _value("product", INT32)),
    ]
    opset = bytes_field(8, [varint_field(2, 17)])
    return b"".join([varint_field(1, 8), bytes_field(7, graph), opset])


def _constant(name: str, values: NDArray[np.int8]) -> list[bytes]:
    """A TensorProto."""
    sides = [varint_field(1, side) for side in values.shape]
    named = bytes_field(8, [name.encode()])
    return [*sides, varint_field(2, INT8), named, bytes_field(9, [values.tobytes()])]


def _value(name: str, element: int) -> list[bytes]:
    """A ValueInfoProto: a matrix of these elements."""
    shape = bytes_field(2, [bytes_field(1, [bytes_field(2, [side])]) for side in (b"a", b"b")])
    tensor = bytes_field(1, [varint_field(1, element), shape])
    return [bytes_field(1, [name.encode()]), bytes_field(2, [tensor])]
