"""Writes a quantized copy of a model folder.

python -m models.quantization.quantize FOLDER --image dynamic --text blocks --out DIR
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import onnx

from imagesearch.embedding.manifest import Manifest, load_manifest
from imagesearch.embedding.tokenizer import TextTokenizer
from local.quantization.rows import matrices, rows_int8, tables_int8
from models.evaluation.reference_pipeline import Preprocess
from models.evaluation.samples import Samples, read_samples
from models.model_folder import write_folder
from models.quantization.blocks import blocks_int8
from models.quantization.methods import Feed, dynamic_int8, half_weights, qdq_int8
from models.quantization.static import static_int8

Calibration = Callable[[], Iterator[Feed]]
Method = Callable[[onnx.ModelProto, Sequence[str], Calibration], onnx.ModelProto]
METHODS: dict[str, Method] = {
    "keep": lambda model, _, __: model,
    "half": lambda model, _, __: half_weights(model),
    "dynamic": lambda model, out, _: dynamic_int8(model, out),
    "dynamic-per-tensor": lambda model, out, _: dynamic_int8(model, out, per_channel=False),
    "dynamic-unsigned": lambda model, out, _: dynamic_int8(model, out, signed=False),
    "static": lambda model, out, feeds: static_int8(model, feeds(), out),
    "static-qdq": lambda model, out, feeds: qdq_int8(model, feeds(), out),
    "rows": lambda model, out, _: rows_int8(model, out),
    "blocks": lambda model, out, _: blocks_int8(model, out),
}
WITH_FLOAT_TABLES = ("keep", "half")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 2 for a pattern without a match."""
    options = _parser().parse_args(arguments)
    if options.list:
        for graph in ("image", "text"):
            _print_matrices(options.folder, graph)
        return 0
    try:
        manifest = quantize(
            options.folder,
            options.out,
            image=(options.image, options.leave_out_image),
            text=(options.text, options.leave_out_text),
            samples=partial(read_samples, options.samples),
        )
    except ValueError as wrong:
        print(f"models.quantization.quantize: {wrong}", file=sys.stderr)
        return 2
    print({name: entry.bytes for name, entry in manifest.files.items()})
    return 0


@contextmanager
def _without_recommendations() -> Iterator[None]:
    """Silence a recommendation of onnxruntime for convolutions, which these graphs do not have."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@_without_recommendations()
def quantize(
    folder: Path,
    out: Path,
    *,
    image: tuple[str, Sequence[str]],
    text: tuple[str, Sequence[str]],
    samples: Callable[[], Samples],
) -> Manifest:
    """`image` and `text` are a method, and patterns of matrices to leave in float32.

    The new manifest has no `quality` and no `relevance`, which do not apply to the new model.
    """
    manifest = load_manifest(folder)
    image_graph = onnx.load(folder / manifest.image.graph)
    text_graph = onnx.load(folder / manifest.text.graph)
    image_graph = METHODS[image[0]](image_graph, image[1], lambda: _images(manifest, samples()))
    captions = partial(_captions, folder, manifest, samples)
    text_graph = METHODS[text[0]](text_graph, text[1], captions)
    if text[0] not in WITH_FLOAT_TABLES:
        text_graph = tables_int8(text_graph)
    return write_folder(
        out,
        manifest.model_dump(mode="json", exclude_unset=True, exclude={"quality", "relevance"}),
        image=image_graph,
        text=text_graph,
        tokenizer=folder / manifest.text.tokenizer,
    )


def _images(manifest: Manifest, samples: Samples) -> Iterator[Feed]:
    preprocess = Preprocess(**manifest.image.preprocessing.as_json())
    for picture in samples.pictures:
        yield {manifest.image.input: preprocess.pixel_values(picture)[None]}


def _captions(folder: Path, manifest: Manifest, samples: Callable[[], Samples]) -> Iterator[Feed]:
    text = manifest.text
    tokenize = TextTokenizer(folder / text.tokenizer, text.max_length, text.pad_token_id)
    for caption in samples().captions:
        ids, mask = tokenize([caption])
        yield {text.input_ids: ids} | ({text.attention_mask: mask} if text.attention_mask else {})


def _print_matrices(folder: Path, tower: str) -> None:
    manifest = load_manifest(folder)
    graph = onnx.load(folder / getattr(manifest, tower).graph)
    for node in matrices(graph):
        print(f"{tower}\t{node.name}\t{node.input[1]}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="models.quantization.quantize",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    for tower in ("image", "text"):
        parser.add_argument(f"--{tower}", choices=METHODS, default="dynamic")
        parser.add_argument(f"--leave-out-{tower}", nargs="*", default=[], metavar="PATTERN")
    parser.add_argument(
        "--list", action="store_true", help="print the names of the matrices and exit"
    )
    parser.add_argument("--out", type=Path, default=Path("quantized"))
    parser.add_argument(
        "--samples", type=Path, default=Path("samples"), help="photos for calibration"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
