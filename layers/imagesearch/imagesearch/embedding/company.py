"""Whether a graph gives the same picture or text another vector in other company.

A DynamicQuantizeLinear takes one scale for all that it is given: the loudest of a batch decides
how finely the others are rounded, and so does what a text is padded with.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from imagesearch.embedding.int8_weights import GRAPH, NODE, OP_TYPE
from imagesearch.embedding.protobuf import Malformed, bytes_field, fields

OPERATORS = (b"DynamicQuantizeLinear", b"DynamicQuantizeMatMul")
# As the field lies in a node, and in the nodes of a graph within it.
_SAID = tuple(bytes_field(OP_TYPE, [name]) for name in OPERATORS)


def needs_solitude(path: Path) -> bool:
    """Whether inputs have to be run one at a time. Weights are stepped over, not read."""
    with path.open("rb") as file:
        model = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        return any(
            said in bytes(node.data)
            for graph in fields(model)
            if graph.number == GRAPH
            for node in fields(graph.data)
            if node.number == NODE
            for said in _SAID
        )
    except Malformed:
        # What is not understood is run in the way that is never wrong.
        return True
