"""Writes ONNX graphs node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
ONNXRUNTIME_OPS = "com.microsoft"
# Supported, with opset 20, since onnxruntime 1.17.
IR_VERSION = 9

# Name → element type and shape; a string in the shape is a dynamic axis.
TensorTypes = Mapping[str, tuple[int, Sequence[int | str]]]


@dataclass
class GraphWriter:
    """Collects nodes and constants; methods return the name of the new tensor."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        array = np.ascontiguousarray(value)
        self.constants.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def half_constant(self, name: str, value: npt.NDArray[np.float32]) -> str:
        """A float32 tensor stored as float16; onnxruntime folds the Cast on load."""
        return self.op("Cast", self.constant(name, value.astype(np.float16)), to=FLOAT)

    def op(
        self, op_type: str, *inputs: str, output: str = "", domain: str = "", **attributes: object
    ) -> str:
        return self.ops(op_type, *inputs, outputs=[output], domain=domain, **attributes)[0]

    def ops(
        self,
        op_type: str,
        *inputs: str,
        outputs: list[str],
        domain: str = "",
        **attributes: object,
    ) -> list[str]:
        """Like `op`, for several outputs; empty names are generated."""
        name = f"{op_type}_{len(self.nodes)}"
        names = [output or f"{name}_{number}" for number, output in enumerate(outputs)]
        self.nodes.append(
            helper.make_node(op_type, inputs, names, name=name, domain=domain, **attributes)
        )
        return names

    def model(
        self, name: str, opset: int, inputs: TensorTypes, outputs: TensorTypes
    ) -> onnx.ModelProto:
        """The model, without dates or paths, so that equal content gives equal bytes."""
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(key, *value) for key, value in inputs.items()],
            [helper.make_tensor_value_info(key, *value) for key, value in outputs.items()],
            list(self.constants.values()),
        )
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ONNXRUNTIME_OPS, 1)]
        return helper.make_model(
            graph, producer_name="imagesearch", opset_imports=opsets, ir_version=IR_VERSION
        )
