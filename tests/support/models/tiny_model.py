"""A model of a few bytes: its files and its catalog entry."""

import hashlib
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from imagesearch.embedding.model_catalog import CatalogEntry, Pin
from tests.support.servers.file_server import FileServer

FILES = ("image.onnx", "text.onnx", "tokenizer.json")


def unsigned_graph() -> bytes:
    """A graph with an unsigned weight that can be converted."""
    rng = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(rng.integers(0, 256, (8, 4), np.uint8), "w"),
        numpy_helper.from_array(np.array(131, np.uint8), "z"),
    ]
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "zero"]),
        helper.make_node("MatMulInteger", ["q", "w", "zero", "z"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])
    y = helper.make_tensor_value_info("y", TensorProto.INT32, ["n", 4])
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    return bytes(helper.make_model(graph).SerializeToString())


def known(server: FileServer, **changes: Any) -> CatalogEntry:
    """The catalog entry of the files on the server, with their hashes."""
    image = {
        "graph": "image.onnx", "input": "x", "output": "y", "size": 8, "resize": "pad",
        "resample": "bicubic", "mean": [0, 0, 0], "std": [1, 1, 1], "pad_color": [0, 0, 0],
    }  # fmt: skip
    text = {
        "graph": "text.onnx", "input_ids": "i", "attention_mask": None, "output": "o",
        "tokenizer": "tokenizer.json", "max_length": 8, "pad_token_id": 0,
    }  # fmt: skip
    manifest = {
        "name": "tiny", "description": "", "dimension": 4, "image": image, "text": text,
        "license": "", "source": "",
    }  # fmt: skip
    pins = {
        name: Pin(
            url=f"{server.url}/{name}",
            bytes=len(server.files[f"/{name}"]),
            sha256=hashlib.sha256(server.files[f"/{name}"]).hexdigest(),
        )
        for name in FILES
    }
    return CatalogEntry(manifest=manifest, pins=pins | changes, evidence=["this test"])
