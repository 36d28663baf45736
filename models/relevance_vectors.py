"""What relevance is fitted on and measured by: the samples as a model folder embeds them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagesearch.domain.images import EncodedImage
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from models.edits import EDITS
from models.evaluation.metrics import kinds_of
from models.quantise import Floats
from models.samples import Samples, read_samples
from models.starter.imagenet_labels import label_sentences
from models.unanswerable_queries import CHOOSING, REPORTING, unanswerable_queries


@dataclass(frozen=True)
class RelevanceVectors:
    """Rows of length 1: of the captions and of the photos [N, D], of each edit of the photos, of
    queries without an answer, set by set, and of the labels' sentences; and the photos' kinds."""

    captions: Floats
    photos: Floats
    edits: dict[str, Floats]
    unanswerable: dict[str, Floats]
    labels: Floats
    kinds: npt.NDArray[np.str_]


def embed_samples(folder: Path, samples: Path) -> RelevanceVectors:
    """Raises ConfigurationError where the folder is not what its manifest says."""
    manifest, photos = load_manifest(folder), read_samples(samples)
    texts = OnnxTextEncoder(folder, manifest)
    images = OnnxImageEncoder(folder, manifest)
    try:
        pictures, edits = _pictures(images, photos)
    finally:
        images.close()
    return RelevanceVectors(
        captions=embed_alone(texts, photos.captions),
        photos=pictures,
        edits=edits,
        unanswerable={
            which: embed_alone(texts, unanswerable_queries(which))
            for which in (CHOOSING, REPORTING)
        },
        labels=embed_alone(texts, label_sentences()),
        kinds=kinds_of(photos.stems),
    )


def embed_alone(encoder: OnnxTextEncoder, texts: Sequence[str]) -> Floats:
    """[N, D]; one at a time, as a query is embedded."""
    return np.concatenate([encoder.encode_texts([text]) for text in texts])


def _pictures(encoder: OnnxImageEncoder, samples: Samples) -> tuple[Floats, dict[str, Floats]]:
    edits = {
        name: _embedded(encoder, [edit(picture) for picture in samples.pictures])
        for name, edit in EDITS.items()
    }
    return _embedded(encoder, samples.pictures), edits


def _embedded(encoder: OnnxImageEncoder, pictures: Sequence[Image.Image]) -> Floats:
    return np.stack([_vector(encoder, picture) for picture in pictures])


def _vector(encoder: OnnxImageEncoder, picture: Image.Image) -> Floats:
    file = io.BytesIO()
    # Nothing is lost in it, and no time on packing.
    picture.save(file, "BMP")
    (encoded,) = encoder.encode_images([file.getvalue()])
    if not isinstance(encoded, EncodedImage):
        raise encoded
    return encoded.embedding
