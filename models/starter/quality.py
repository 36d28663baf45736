"""Quality of a starter model folder compared with its float32 reference, and its faults."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from imagesearch.calibration.evidence import EDITS as EDIT_NAMES
from imagesearch.calibration.parity import (
    Cosines,
    Limits,
    batch_faults,
    cosine_faults,
    cosines,
    recall_faults,
)
from imagesearch.calibration.retrieval import Recall, recall
from imagesearch.embedding.self_test.edits import EDITS
from models import Floats
from models.evaluation.metrics import image_retrieval
from models.evaluation.reference_pipeline import Embedder, Preprocess
from models.evaluation.samples import Samples
from models.starter.image_graph import ImageBlocks
from models.starter.reference import Reference, image_embeddings

COMMAND = "python -m models.starter.build"
RECALL_TARGETS: Recall = {"R@1": 50, "R@5": 78, "R@10": 88}
STARTER = Limits(median_cosine=0.999, worst_cosine=0.99, recall=RECALL_TARGETS)
LARGEST_FOLDER = 40_000_000


@dataclass(frozen=True)
class Quality:
    """The figures of the manifest's `quality`; recalls in percent of the captions."""

    text_to_image_float32: Recall
    text_to_image: Recall
    text_to_image_first_block_alone: Recall
    image_to_image: dict[str, float]
    image_to_image_first_block_alone: dict[str, float]
    image_cosine_to_float32: Cosines
    text_cosine_to_float32: Cosines
    image_cosine_alone_to_batch: Cosines
    text_cosine_alone_to_batch: Cosines
    photos: int

    def as_manifest(self) -> dict[str, object]:
        return asdict(self) | {"command": COMMAND}


def measure(
    folder: Path,
    preprocess: Preprocess,
    samples: Samples,
    reference: Reference,
    blocks: ImageBlocks,
) -> Quality:
    model = Embedder.of_folder(folder, preprocess)
    images, texts = model.images(samples.pictures), model.texts(samples.captions)
    exact_images = image_embeddings(*reference.classify(samples.pictures, preprocess), blocks)
    exact_texts = reference.words(samples.captions)
    width = blocks.labels.shape[1]
    first, edited = images[:, :width], _edited(model, samples)
    alone, first_edited = _first(images, width), {k: _first(v, width) for k, v in edited.items()}
    sorts = (samples.folders, samples.stems)
    return Quality(
        text_to_image_float32=recall(exact_texts, _first(exact_images, width)),
        text_to_image=recall(texts, images),
        text_to_image_first_block_alone=recall(texts[:, :width], first),
        image_to_image=image_retrieval(images, edited, *sorts),
        image_to_image_first_block_alone=image_retrieval(alone, first_edited, *sorts),
        image_cosine_to_float32=cosines(images, exact_images),
        text_cosine_to_float32=cosines(texts[:, :width], exact_texts),
        image_cosine_alone_to_batch=cosines(images, model.images(samples.pictures, batch=1)),
        text_cosine_alone_to_batch=text_batch_cosines(model, samples.captions),
        photos=len(samples.captions),
    )


def faults(quality: Quality, folder: Path) -> list[str]:
    """The reasons to reject the folder; empty if there are none."""
    with_second, without = quality.image_to_image, quality.image_to_image_first_block_alone
    return [
        *recall_faults(quality.text_to_image, quality.text_to_image_float32, STARTER),
        *cosine_faults("image graph", quality.image_cosine_to_float32, STARTER),
        *cosine_faults("text graph", quality.text_cosine_to_float32, STARTER),
        *batch_faults("image graph", quality.image_cosine_alone_to_batch, STARTER),
        *batch_faults("text graph", quality.text_cosine_alone_to_batch, STARTER),
        *size_faults(sum(file.stat().st_size for file in folder.iterdir())),
        *(
            f"the second block lowers {name} from {without[name]} to {with_second[name]}"
            for name in ("edit_R@1", "edit_MRR", "folder_precision@5", "same_kind_mAP")
            if with_second[name] < without[name]
        ),
    ]


def size_faults(total_bytes: int) -> list[str]:
    if total_bytes <= LARGEST_FOLDER:
        return []
    return [f"the folder has {total_bytes:,} bytes, more than {LARGEST_FOLDER:,}"]


def text_batch_cosines(model: Embedder, captions: list[str]) -> Cosines:
    """Each caption alone, compared with one batch of all, in which most captions are padded.

    An outlier is added to the batch, because quantization scales of a whole batch would follow it.
    """
    outlier = "! " * 60 + "zzz qqq 0000000 lorem ipsum " * 4
    together = model.texts([*captions, outlier], batch=len(captions) + 1)[:-1]
    return cosines(together, model.texts(captions, batch=1))


def _edited(model: Embedder, samples: Samples) -> dict[str, Floats]:
    return {
        name: model.images([EDITS[name](picture) for picture in samples.pictures])
        for name in EDIT_NAMES
    }


def _first(vectors: Floats, width: int) -> Floats:
    first = vectors[:, :width]
    return np.asarray(first / np.linalg.norm(first, axis=1, keepdims=True), np.float32)
