"""What the starter model is: its settings, and how its folder is made from the sources."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx

from models.preprocess import Preprocess
from models.second_block import looks_directions
from models.starter.image_graph import SIZE, ImageBlocks, build_image_graph, classifier_weights
from models.starter.imagenet_labels import label_sentences
from models.starter.reference import Reference, open_tokenizer
from models.starter.sources import Sources
from models.starter.text_graph import WIDTH, build_text_graph
from models.starter_manifest import DIMENSION

# Both chosen by measurement: see the tables in models/README.md.
PREPROCESS = Preprocess(
    size=SIZE,
    resize="pad",
    resample="bicubic",
    mean=(0.498, 0.498, 0.498),
    std=(0.502, 0.502, 0.502),
    pad_color=(127, 127, 127),
)
SECOND_BLOCK = DIMENSION - WIDTH
SECOND_BLOCK_WEIGHT = 0.3

LICENSE_FILES = Path(__file__).with_name("starter_license")


def image_blocks(sources: Sources, reference: Reference) -> ImageBlocks:
    classifier = classifier_weights(onnx.load(sources.image))
    return ImageBlocks(
        labels=reference.words(label_sentences()),
        directions=looks_directions(classifier, SECOND_BLOCK),
        weight=SECOND_BLOCK_WEIGHT,
    )


def write_graphs(sources: Sources, blocks: ImageBlocks, folder: Path) -> None:
    """Everything but manifest.json; equal sources give equal bytes."""
    onnx.save(build_image_graph(sources.image, blocks), folder / "image.onnx")
    onnx.save(build_text_graph(onnx.load(sources.text), SECOND_BLOCK), folder / "text.onnx")
    open_tokenizer(sources).save(str(folder / "tokenizer.json"), pretty=False)
    for text in sorted(LICENSE_FILES.iterdir()):
        shutil.copyfile(text, folder / text.name)
