"""Pictures and copies of them, encoded as the product does, and what there is for each pair."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from imagesearch.details import DetailsWanted
from imagesearch.domain.images import EncodedImage
from imagesearch.duplicates.miniatures import Miniature, overlap
from imagesearch.duplicates.page_agreement import Detail, agreement_logit
from imagesearch.duplicates.similarity import FAR, Look
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.hash_distance import hash_distance
from models.edits import Edit
from models.quantise import Floats

# Edited copies go around at the size of a web page, not of a camera.
LONGEST_SIDE = 1024
AT_A_TIME = 16
# As many photos as a new one is compared with when it is indexed: those behind have no overlap.
OFFERED = 10


@dataclass(frozen=True)
class Encoded:
    """Pictures in their order: embeddings [N, D], and how each looks; pages have a detail."""

    embeddings: Floats
    hashes: list[str]
    miniatures: list[Miniature]
    details: list[Detail | None]


@dataclass(frozen=True)
class Evidence:
    """Of copies [N] of one kind against pictures [M], what there is for each pair.

    `features` [N, M, 3] are cosine, agreement of the hashes and overlap; `details` those of the
    copies and those of the pictures.
    """

    kind: str
    features: Floats
    details: tuple[Sequence[Detail | None], Sequence[Detail | None]] = ((), ())

    def differ(self, row: int, column: int, logit: float) -> bool:
        """Whether both are pages whose details do not agree with these log-odds."""
        copies, pictures = self.details
        one, other = (copies[row], pictures[column]) if copies and pictures else (None, None)
        return agreement_logit(one, other) < logit


def evidence(
    encoder: OnnxImageEncoder, pictures: Sequence[Image.Image], edits: Mapping[str, Edit]
) -> Iterator[Evidence]:
    """Each kind of copy against all pictures; the first is the pictures against one another."""
    originals = _encoded(encoder, pictures, lambda picture: picture)
    details = originals.details
    yield Evidence("", _features(originals, originals), (details, details))
    for kind, edit in edits.items():
        copies = _encoded(encoder, pictures, edit)
        yield Evidence(kind, _features(copies, originals), (copies.details, details))


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
        [Look(each.phash, each.miniature, each.contrasts).detail for each in details],
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
