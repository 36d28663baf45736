"""Quantizes the graphs of a downloaded float32 model, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx

from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.manifest import Manifest
from local.quantization.rows import as_products, rows_int8, tables_int8

# Fewer bytes than this share of float32: convolutions, biases and tables of positions stay float32.
_LARGEST_SHARE = 0.6


def quantize_graphs(
    float32: Path, manifest: Manifest, out: Path, report: Callable[[str], object]
) -> None:
    """Write int8 versions of both graphs in `float32` to `out`; `report` gets each file name.

    Raises ConfigurationError for a graph that cannot be read or has little to quantize. Uses about
    three times the size of the largest graph in memory.
    """
    for name in (manifest.image.graph, manifest.text.graph):
        report(name)
        _quantize(float32 / name, out / name, is_text=name == manifest.text.graph)


def _quantize(source: Path, target: Path, *, is_text: bool) -> None:
    try:
        model = as_products(onnx.load(source))
    except Exception as error:  # the classes of protobuf are not part of its interface
        raise _invalid(f"{source} cannot be read: {error}") from error
    quantized = rows_int8(model)
    if is_text:
        quantized = tables_int8(quantized)
    onnx.save(quantized, target)
    before, after = source.stat().st_size, target.stat().st_size
    if after > _LARGEST_SHARE * before:
        target.unlink()
        raise _invalid(f"{source} has no large float32 matrices: {after:,} of {before:,} bytes")


def _invalid(message: str) -> ConfigurationError:
    hint = "pull another model: `imagesearch models list` shows the catalog"
    return ConfigurationError(message, hint, "invalid_model")
