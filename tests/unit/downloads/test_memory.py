"""The memory of a download does not depend on the size of the model."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from onnx import TensorProto, helper, numpy_helper

from imagesearch.downloads.model_store import Deadline, S3ModelStore
from tests.support.models.tiny_model import known
from tests.support.servers.file_server import FileServer

pytestmark = pytest.mark.slow

TENSORS, SIDE = 24, 1024
MIB = 1 << 20


def large_graph() -> bytes:
    """A graph with TENSORS weights of 1 MiB each, all of which can be converted."""
    rng = np.random.default_rng(1)
    constants, nodes = [], []
    for number in range(TENSORS):
        weight = rng.integers(0, 256, (SIDE, SIDE), np.uint8)
        constants.append(numpy_helper.from_array(weight, f"w{number}"))
        constants.append(numpy_helper.from_array(np.array(128, np.uint8), f"z{number}"))
        inputs = ["q", f"w{number}", "zero", f"z{number}"]
        nodes.append(helper.make_node("MatMulInteger", inputs, [f"y{number}"]))
    nodes.insert(0, helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "zero"]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", SIDE])
    y = helper.make_tensor_value_info("y0", TensorProto.INT32, ["n", SIDE])
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    return bytes(helper.make_model(graph).SerializeToString())


@pytest.fixture
def hub() -> Iterator[FileServer]:
    made = FileServer()
    made.files = {"/image.onnx": large_graph(), "/text.onnx": b"text", "/tokenizer.json": b"{}"}
    with made.running():
        yield made


class Sink:
    """An empty S3 that records only the hash and the metadata of uploads."""

    def __init__(self) -> None:
        self.put: dict[str, tuple[str, dict[str, str]]] = {}

    def head_object(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "404"}}, "HeadObject")

    def put_object(self, *, Key: str, Body: Any, Metadata: dict[str, str], **_: Any) -> None:  # noqa: N803
        digest = hashlib.file_digest(Body, "sha256").hexdigest()
        self.put[Key.rpartition("/")[2]] = (digest, Metadata)


def test_a_large_graph_is_downloaded_rewritten_and_uploaded_in_bounded_memory(
    hub: FileServer,
) -> None:
    model, sink = known(hub), Sink()
    tracemalloc.start()
    try:
        S3ModelStore("models", "model", sink, lambda _: model).put("tiny", Deadline())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    original = model.pins["image.onnx"]
    digest, metadata = sink.put["image.onnx"]
    assert metadata == {"rewritten-from": original.sha256}
    assert digest != original.sha256
    assert original.bytes is not None
    assert original.bytes > TENSORS * MIB
    assert peak < 6 * MIB
