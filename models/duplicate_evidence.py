"""Photos and edited copies of them, encoded as the product does, and what each pair has for it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from imagesearch.details import DetailsWanted
from imagesearch.domain import EncodedImage
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.hash_distance import hash_distance
from imagesearch.likeness import FAR
from imagesearch.overlap import Miniature, overlap
from models.copy_edits import COPIES
from models.edits import Edit
from models.quantise import Floats

# Edited copies go around at the size of a web page, not of a camera.
LONGEST_SIDE = 1024
AT_A_TIME = 16
# As many photos as a new one is compared with when it is indexed: those behind have no overlap.
OFFERED = 10


@dataclass(frozen=True)
class Encoded:
    """Pictures in their order: embeddings [N, D], and how each looks."""

    embeddings: Floats
    hashes: list[str]
    miniatures: list[Miniature]


@dataclass(frozen=True)
class Evidence:
    """Of copies of one kind against photos: cosine, agreement of the hashes, overlap [N, M, 3]."""

    kind: str
    features: Floats


def evidence(encoder: OnnxImageEncoder, photos: Sequence[Image.Image]) -> Iterator[Evidence]:
    """Each kind of copy against all photos; the first is the photos against one another."""
    originals = _encoded(encoder, photos, lambda picture: picture)
    yield Evidence("", _features(originals, originals))
    for kind, edit in COPIES.items():
        yield Evidence(kind, _features(_encoded(encoder, photos, edit), originals))


def _encoded(encoder: OnnxImageEncoder, photos: Sequence[Image.Image], edit: Edit) -> Encoded:
    images: list[EncodedImage] = []
    for start in range(0, len(photos), AT_A_TIME):
        files = [_file(edit(photo)) for photo in photos[start : start + AT_A_TIME]]
        for image in encoder.encode_images(files, DetailsWanted()):
            assert isinstance(image, EncodedImage), image
            images.append(image)
    details = [image.details for image in images if image.details]
    return Encoded(
        np.stack([image.embedding for image in images]),
        [each.phash for each in details],
        [Miniature.of(each.miniature) for each in details],
    )


def _file(picture: Image.Image) -> bytes:
    small, file = picture.copy(), io.BytesIO()
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    small.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _features(copies: Encoded, photos: Encoded) -> Floats:
    cosines = copies.embeddings @ photos.embeddings.T
    features = np.stack([cosines, np.zeros_like(cosines), np.zeros_like(cosines)], axis=-1)
    for row, (phash, miniature) in enumerate(zip(copies.hashes, copies.miniatures, strict=True)):
        for column in np.argsort(-cosines[row])[: OFFERED + 1]:
            distance = hash_distance(phash, photos.hashes[column])
            features[row, column, 1] = 1 - min(distance, FAR) / FAR
            features[row, column, 2] = overlap(miniature, photos.miniatures[column])
    return features.astype(np.float32)
