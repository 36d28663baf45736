"""Models that memorize photos with captions, in the form of the catalog's real ones.

The graphs have the operators, names, sizes and lengths of the entry of the catalog that they stand
for, and a few megabytes: smooth filters of large patches and one matrix for images, a table of
words and one matrix for texts. The table is solved for the captions.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.domain.images import EncodedImage
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import FileEntry
from imagesearch.embedding.model_catalog import CatalogEntry, Pin
from local.quantization.rows import as_products
from tests.support.servers.file_server import FileServer

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
# That of rclip's exports: axes of reductions are inputs.
OPSET = 18
PATCH, CHANNELS = 32, 12
PADDING, START, END, UNKNOWN = "<pad>", "<start>", "<end>", "<unknown>"
SPECIAL = [PADDING, START, END, UNKNOWN]
Floats = npt.NDArray[np.float32]


def served(entry: CatalogEntry, files: dict[str, bytes], server: FileServer) -> CatalogEntry:
    """The entry with pins to these files, which the server gets below the entry's name."""
    pins = {}
    for name, data in files.items():
        server.files[f"/{entry.name}/{name}"] = data
        url = f"{server.url}/{entry.name}/{name}"
        pins[name] = Pin(url=url, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    return entry.model_copy(update={"pins": pins})


def float32_files(entry: CatalogEntry, photos: CalibrationSet) -> dict[str, bytes]:
    """The files of a float32 model: Conv and Gemm, Gather and MatMul; texts have a fixed length."""
    about = entry.manifest
    matrix = _directions(about)
    mean = _image_vectors(entry, _image_graph(about, matrix), photos).mean(axis=0)
    image = _image_graph(about, matrix, -mean)
    vectors = _image_vectors(entry, image, photos)
    tokenizer, table = _memory(photos, vectors)
    return {
        "image.onnx": image.SerializeToString(),
        "text.onnx": _text_graph(about, table).SerializeToString(),
        "tokenizer.json": tokenizer.to_str().encode(),
    }


def unsigned_int8_files(entry: CatalogEntry, photos: CalibrationSet) -> dict[str, bytes]:
    """The same as dynamic int8 with unsigned weights and their own zero points: ConvInteger,
    MatMulInteger, and a quantized table."""
    files = float32_files(entry, photos)
    return {
        name: _unsigned(data) if name.endswith(".onnx") else data for name, data in files.items()
    }


def _unsigned(data: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        onnx.save(as_products(onnx.load_from_string(data)), source)
        quantize_dynamic(source, target, weight_type=QuantType.QUInt8)
        return target.read_bytes()


def _directions(about: dict[str, Any]) -> Floats:
    """Random directions of the patches' values, [D, F]."""
    side = about["image"]["size"] // PATCH
    rows = (about["dimension"], CHANNELS * side * side)
    return np.random.default_rng(2).normal(size=rows).astype(np.float32)


def _image_graph(
    about: dict[str, Any], matrix: Floats, bias: Floats | None = None
) -> onnx.ModelProto:
    image = about["image"]
    rows = np.array([0, -1], np.int64)
    constants = {
        "filters": _filters(),
        "rows": rows,
        "matrix": matrix,
        "bias": np.zeros(len(matrix), np.float32) if bias is None else bias,
    }
    nodes = [
        helper.make_node("Conv", [image["input"], "filters"], ["patches"], strides=[PATCH, PATCH]),
        helper.make_node("Reshape", ["patches", "rows"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "bias"], [image["output"]], transB=1),
    ]
    shape = ["batch", 3, image["size"], image["size"]]
    return _model(nodes, constants, (image["input"], FLOAT, shape), about, image["output"])


def _filters() -> Floats:
    """Means and slopes of colors over a patch: [C, 3, P, P]."""
    rng = np.random.default_rng(1)
    ramp = np.linspace(-1, 1, PATCH, dtype=np.float32)
    basis = np.stack(
        [np.ones((PATCH, PATCH)), ramp + np.zeros((PATCH, 1)), ramp[:, None] + 0 * ramp]
    )
    colors, weights = rng.normal(size=(CHANNELS, 3)), rng.normal(size=(CHANNELS, len(basis)))
    spatial = np.einsum("cb,bxy->cxy", weights, basis) / PATCH**2
    return np.einsum("cr,cxy->crxy", colors, spatial).astype(np.float32)


def _text_graph(about: dict[str, Any], table: Floats) -> onnx.ModelProto:
    """The sum of the words' rows without padding, multiplied by an orthogonal matrix."""
    text = about["text"]
    ids = text["input_ids"]
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(table.shape[1],) * 2))[0]
    constants = {
        "table": (table @ turn.T).astype(np.float32),
        "turn": turn.astype(np.float32),
        "padding": np.array(text["pad_token_id"], np.int64),
        "last": np.array([2], np.int64),
        "tokens": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", ids], ["words"]),
        helper.make_node("Equal", [ids, "padding"], ["empty"]),
        helper.make_node("Not", ["empty"], ["used"]),
        helper.make_node("Cast", ["used"], ["mask"], to=FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["words", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "tokens"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["sum", "turn"], [text["output"]]),
    ]
    shape = ["batch", text["max_length"]]
    return _model(nodes, constants, (ids, INT64, shape), about, text["output"])


def _model(
    nodes: list[onnx.NodeProto],
    constants: dict[str, npt.NDArray[Any]],
    given: tuple[str, int, Sequence[str | int]],
    about: dict[str, Any],
    output: str,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "memory",
        [helper.make_tensor_value_info(*given)],
        [helper.make_tensor_value_info(output, FLOAT, ["batch", about["dimension"]])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def _image_vectors(entry: CatalogEntry, graph: onnx.ModelProto, photos: CalibrationSet) -> Floats:
    """The vectors of the photos, normalized, with the preprocessing of the entry: [N, D]."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        data = graph.SerializeToString()
        (folder / "image.onnx").write_bytes(data)
        files = {
            name: FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
            for name in entry.pins
        }
        encoder = OnnxImageEncoder(folder, entry.manifest_with(files))
        try:
            found = encoder.encode_images(photos.photos)
        finally:
            encoder.close()
    return np.stack([each.embedding for each in found if isinstance(each, EncodedImage)])


def _memory(photos: CalibrationSet, vectors: Floats) -> tuple[Tokenizer, Floats]:
    """A tokenizer of the words of all texts, and the table that gives each caption its vector."""
    queries = [text for texts in photos.unanswerable.values() for text in texts]
    texts = [*photos.captions, *photos.labels, *queries]
    words = sorted({word for text in texts for word in re.findall(r"\w+|[^\w\s]+", text.lower())})
    places = {word: place for place, word in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(places, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        f"{START} $A {END}", special_tokens=[(START, places[START]), (END, places[END])]
    )
    counts = np.zeros((len(photos.captions), len(places)), np.float32)
    for row, encoded in enumerate(tokenizer.encode_batch(list(photos.captions))):
        np.add.at(counts[row], encoded.ids, 1)
    table = np.linalg.pinv(counts) @ vectors
    unused = counts.sum(axis=0) == 0
    scale = np.abs(table[~unused]).mean()
    noise = np.random.default_rng(4).normal(size=(int(unused.sum()), vectors.shape[1]))
    table[unused] = scale * noise
    return tokenizer, table.astype(np.float32)
