"""Quantization methods for ONNX graphs; each returns a new model.

int8 weights are rounded to nearest, symmetric around zero.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.calibrate import MinMaxCalibrater, save_tensors_data

from imagesearch.embedding.session import open_session, session_options
from local.quantization.rows import (
    FLOAT,
    ONNXRUNTIME_OPS,
    UNSIGNED_ZERO,
    excluded_nodes,
    int8_scales,
    rounded,
)
from models import Floats

Feed = Mapping[str, np.ndarray]
# Products of two computed matrices stay float32: attention is cheap, and sensitive to rounding.
# The type of results of onnxruntime's own operators is given, as they have no shape inference.
OPTIONS = {"MatMulConstBOnly": True, "DefaultTensorType": FLOAT}
QUANTIZED = ["MatMul"]
SMALLEST_HALVED = 1024
LARGEST_HALF = float(np.finfo(np.float16).max)


def blocks_to_uint8(weight: Floats, block: int) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Weight [inputs, outputs] in the layout of MatMulNBits, one scale per `block` inputs.

    → uint8 [outputs, inputs / block, block], with a zero point of 128, and scales
    [outputs, inputs / block].
    """
    inputs, outputs = weight.shape
    blocks = weight.T.reshape(outputs, inputs // block, block)
    scales = int8_scales(blocks)
    return (rounded(blocks, scales) + UNSIGNED_ZERO).astype(np.uint8), scales[..., 0]


def dynamic_int8(
    model: onnx.ModelProto,
    leave_out: Sequence[str] = (),
    *,
    signed: bool = True,
    per_channel: bool = True,
) -> onnx.ModelProto:
    """int8 weights; activations become uint8 with a scale of the whole batch at run time.

    Unsigned weights are much slower on processors with AMX.
    """
    return _saved(
        lambda out: quantize_dynamic(
            _copy(model),
            out,
            op_types_to_quantize=QUANTIZED,
            per_channel=per_channel,
            weight_type=QuantType.QInt8 if signed else QuantType.QUInt8,
            nodes_to_exclude=excluded_nodes(model, leave_out),
            extra_options=OPTIONS,
        )
    )


def qdq_int8(
    model: onnx.ModelProto, feeds: Iterable[Feed], leave_out: Sequence[str] = ()
) -> onnx.ModelProto:
    """int8 weights per channel; activations with scales from calibration.

    Written as pairs of QuantizeLinear and DequantizeLinear, which onnxruntime fuses on load.
    """
    typed = _typed(model)
    return _saved(
        lambda out: quantize_static(
            typed,
            out,
            calibration_cache_path=_calibrated(typed, feeds, out.with_name("ranges.json")),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTIZED,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=excluded_nodes(model, leave_out),
            extra_options=OPTIONS,
        )
    )


def half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Large float32 tensors stored as float16; onnxruntime computes in float32."""
    halved = _copy(model)
    casts = []
    for tensor in halved.graph.initializer:
        if tensor.data_type != FLOAT or np.prod(tensor.dims) < SMALLEST_HALVED:
            continue
        value = numpy_helper.to_array(tensor)
        if np.abs(value).max() > LARGEST_HALF:
            continue
        name, half = tensor.name, f"{tensor.name}.half"
        tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float16), half))
        casts.append(onnx.helper.make_node("Cast", [half], [name], name=f"{half}.cast", to=FLOAT))
    _put_before(halved, casts)
    return halved


def _put_before(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> None:
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])


def _typed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with the output types of onnxruntime's operators: calibration skips unknown types."""
    typed = _copy(model)
    for node in model.graph.node:
        if node.domain == ONNXRUNTIME_OPS:
            value = onnx.helper.make_tensor_value_info(node.output[0], FLOAT, None)
            typed.graph.value_info.append(value)
    return typed


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy, because the quantizers modify their input."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied


def _calibrated(model: onnx.ModelProto, feeds: Iterable[Feed], out: Path) -> Path:
    """Write the range of every quantized tensor to `out`, and return `out`."""
    source = out.with_name("calibrated.onnx")
    onnx.save(model, source)
    calibrater = _Calibrater(source, QUANTIZED, str(out.with_name("augmented.onnx")))
    calibrater.augment_graph()
    calibrater.create_inference_session()
    calibrater.collect_data(_Feeds(feeds))
    save_tensors_data(calibrater.compute_data(), out)
    return out


def _saved(quantize: Callable[[Path], Any]) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "quantized.onnx"
        quantize(out)
        return onnx.load(out)


class _Calibrater(MinMaxCalibrater):  # type: ignore[misc]
    """Calibration with sessions configured as in the product."""

    def create_inference_session(self) -> None:
        """Without optimization, which removes tensors, as in the base class."""
        options = session_options(None)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.infer_session = open_session(self.augmented_model_path, options=options)


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    """The calibration inputs."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds: Iterator[Feed] = iter(feeds)

    def get_next(self) -> dict[str, Floats] | None:
        return next((dict(feed) for feed in self._feeds), None)
