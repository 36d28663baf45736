"""Generated images, a tiny model, and decoding in this process."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.preprocessing import Picture, Preprocessing
from imagesearch.embedding.decoding.workers.pool import DecoderPool
from imagesearch.embedding.manifest import Manifest, load_manifest
from tests.support.waiting import PATIENCE_SECONDS

Data = Callable[[str], bytes]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SIDE = 32
WORDS = ["[PAD]", "[UNK]", "[START]", "[END]", "a", "red", "green", "blue", "bicycle"]
DIMENSION = 4


@pytest.fixture(scope="session")
def data() -> Data:
    folder = Path(__file__).parent / "data"
    return lambda name: (folder / name).read_bytes()


@pytest.fixture(scope="session")
def quadrants() -> Image.Image:
    """An image of 96 x 64 with quarters in red, green / blue, white."""
    image = Image.new("RGB", (96, 64), WHITE)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 47, 31), fill=RED)
    draw.rectangle((48, 0, 95, 31), fill=GREEN)
    draw.rectangle((0, 32, 47, 63), fill=BLUE)
    return image


@pytest.fixture(scope="session")
def saved() -> Callable[..., bytes]:
    """Saves an image as a file: saved(image, "PNG", **options)."""

    def save(image: Image.Image, format: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    return save


@pytest.fixture(scope="session")
def stretched() -> Preprocessing:
    """Preprocessing to 32 x 32 by stretching, with values of 0 to 255."""
    third = 1 / 255
    return Preprocessing(SIDE, "stretch", "bicubic", (0, 0, 0), (third,) * 3, (0, 0, 0))


@pytest.fixture(scope="session")
def corners(stretched: Preprocessing) -> Callable[..., list[tuple[int, ...]]]:
    """The colors of the centers of the four quarters, in reading order, rounded to 0–255."""

    def quarter_colors(picture: Picture | bytes) -> list[tuple[int, ...]]:
        if isinstance(picture, bytes):
            picture = decode(picture, stretched)
        near, far = SIDE // 4, SIDE * 3 // 4
        spots = [(near, near), (near, far), (far, near), (far, far)]
        return [tuple(int(v) for v in np.rint(picture.pixels[:, y, x])) for y, x in spots]

    return quarter_colors


@pytest.fixture(scope="session")
def flat_png() -> Callable[[int, int, int], bytes]:
    """Creates a gray PNG of any size with 3 or 4 channels, without an image in memory."""
    return make_flat_png


def make_flat_png(width: int, height: int, channels: int) -> bytes:
    row = b"\0" + b"\x80" * (width * channels)
    checksum = 1
    for _ in range(height):
        checksum = zlib.adler32(row, checksum)
    # After a full flush equal bytes compress to equal blocks, so one block serves all rows.
    packer = zlib.compressobj(1)
    start = packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(row) + packer.flush(zlib.Z_FULL_FLUSH)
    pixels = start + block * height + b"\x03\x00" + checksum.to_bytes(4, "big")
    header = struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.fixture(scope="session")
def pool() -> Iterator[DecoderPool]:
    decoders = DecoderPool(seconds=PATIENCE_SECONDS)
    yield decoders
    decoders.close()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder. An image vector is the mean color, a text vector the mean of its words."""
    folder = tmp_path_factory.mktemp("tiny-model")
    onnx.save(_image_graph(), folder / "image.onnx")
    onnx.save(_text_graph(), folder / "text.onnx")
    _tokenizer().save(str(folder / "tokenizer.json"))
    write_manifest(folder, {})
    return folder


@pytest.fixture
def model_copy(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test can damage."""
    for path in tiny_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def manifest(tiny_model: Path) -> Manifest:
    return load_manifest(tiny_model)


@pytest.fixture(scope="session")
def rewrite() -> Callable[[Path, dict[str, Any]], None]:
    """Rewrites the manifest of a folder with changes to its towers: {"image": {...}, ...}."""
    return write_manifest


def write_manifest(folder: Path, changes: dict[str, Any]) -> None:
    image = {
        "graph": "image.onnx",
        "input": "pixel_values",
        "output": "image_embeds",
        "size": SIDE,
        "resize": "pad",
        "resample": "bicubic",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "pad_color": [127, 127, 127],
    } | changes.get("image", {})
    files = {
        path.name: {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in folder.iterdir()
        if path.name != "manifest.json"
    }
    decides = image | {"graph": files["image.onnx"]["sha256"], "dimension": DIMENSION}
    space = hashlib.sha256(
        json.dumps(decides, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()[:16]
    text = {
        "graph": "text.onnx",
        "input_ids": "input_ids",
        "attention_mask": "attention_mask",
        "output": "text_embeds",
        "tokenizer": "tokenizer.json",
        "max_length": 8,
        "pad_token_id": 0,
        "image_space": space,
    } | changes.get("text", {})
    manifest = {
        "name": "tiny",
        "description": "means of colours and of words",
        "dimension": DIMENSION,
        "image": image,
        "text": text,
        "files": files,
        "license": "Apache-2.0",
        "source": "made by a test",
    } | changes.get("top", {})
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _image_graph() -> onnx.ModelProto:
    """The mean of each channel, and a fourth value that makes the vector of gray nonzero."""
    weight = np.zeros((3, DIMENSION), np.float32)
    weight[:3, :3] = np.eye(3)
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["image_embeds"]),
    ]
    inputs = [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, "h", "w"])]
    return _model(nodes, inputs, "image_embeds", {"weight": weight})


def _text_graph() -> onnx.ModelProto:
    """The mean of the rows of the words over the mask."""
    table = np.random.default_rng(0).normal(size=(len(WORDS), DIMENSION)).astype(np.float32)
    axes = np.array([1], np.int64)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axes"], ["text_embeds"], keepdims=0),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "l"])
        for name in ("input_ids", "attention_mask")
    ]
    constants = {"table": table, "axes": axes, "last": np.array([2], np.int64)}
    return _model(nodes, inputs, "text_embeds", constants)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    output: str,
    constants: dict[str, np.ndarray],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", DIMENSION])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _tokenizer() -> Tokenizer:
    words = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[START] $A [END]", special_tokens=[("[START]", 2), ("[END]", 3)]
    )
    return tokenizer
