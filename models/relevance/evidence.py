"""The data that relevance is fitted on and measured by: queries, with the photos to find.

Queries without a match are noise, documents, abstractions, code, and words in other languages for
things that the samples do not show. The set `choosing` was used to choose the method; the set
`reporting` was written afterwards, and is used for reporting only.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagesearch.domain.images import EncodedImage
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.search.relevance import Modality
from models import Floats
from models.evaluation.edits import EDITS
from models.evaluation.metrics import kinds_of
from models.evaluation.samples import Samples, read_samples
from models.starter.imagenet_labels import label_sentences

QUERIES_FILE = Path(__file__).with_name("unanswerable-queries.tsv")
CHOOSING, REPORTING = "choosing", "reporting"
Marks = npt.NDArray[np.bool_]
# Weights of text and image in mixed queries.
MIXTURES = ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0))
PARTNER_EDIT = "crop to 60 %"


def unanswerable_queries(which: str, path: Path = QUERIES_FILE) -> list[str]:
    """The queries of one set."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row["text"] for row in rows if row["set"] == which]


@dataclass(frozen=True)
class RelevanceVectors:
    """Normalized embeddings of captions, photos, edits of the photos, queries without a match (by
    set) and label sentences, each [N, D]; and the kinds of the photos."""

    captions: Floats
    photos: Floats
    edits: dict[str, Floats]
    unanswerable: dict[str, Floats]
    labels: Floats
    kinds: npt.NDArray[np.str_]


def embed_samples(folder: Path, samples: Path) -> RelevanceVectors:
    """Raises ConfigurationError for a folder that does not match its manifest."""
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
    """[N, D]; embedded one by one, like queries."""
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
    # Lossless, and fast without compression.
    picture.save(file, "BMP")
    (encoded,) = encoder.encode_images([file.getvalue()])
    if not isinstance(encoded, EncodedImage):
        raise encoded
    return encoded.embedding


@dataclass(frozen=True)
class Evidence:
    """Queries [Q, D] of one sort, with the photo [Q] that each is made from.

    `right` and `wrong` are masks of the photos for each query, [Q, N]; photos in neither are
    ambiguous.
    """

    queries: Floats
    made_from: npt.NDArray[np.int64]
    right: Marks
    wrong: Marks

    def within(self, photos: Marks) -> Evidence:
        """The evidence among these photos only; `photos` is a mask [N]."""
        some = self.of_queries(photos)
        return replace(some, right=some.right & photos, wrong=some.wrong & photos)

    def of_queries(self, photos: Marks) -> Evidence:
        """The queries made from these photos, compared with all photos."""
        return self._rows(photos[self.made_from])

    def answered(self) -> Evidence:
        """The queries that have both right and wrong photos."""
        return self._rows(np.asarray(self.right.any(axis=1) & self.wrong.any(axis=1)))

    def _rows(self, rows: Marks) -> Evidence:
        return Evidence(
            self.queries[rows], self.made_from[rows], self.right[rows], self.wrong[rows]
        )


def evidence(vectors: RelevanceVectors) -> dict[Modality, list[Evidence]]:
    """One or more sorts for each kind of query, with equal weights."""
    return {
        Modality.TEXT: [caption_evidence(vectors)],
        Modality.IMAGE: [same_kind_evidence(vectors), edit_evidence(vectors)],
        Modality.MIXED: [mixed_evidence(vectors)],
    }


def caption_evidence(vectors: RelevanceVectors) -> Evidence:
    """A caption is right for its own photo, and wrong for all others, even similar ones."""
    own = np.eye(len(vectors.photos), dtype=bool)
    return Evidence(vectors.captions, np.arange(len(own)), own, ~own)


def same_kind_evidence(vectors: RelevanceVectors) -> Evidence:
    """An indexed photo should find the others of its kind."""
    same, own = _same_kind(vectors), np.eye(len(vectors.photos), dtype=bool)
    return Evidence(vectors.photos, np.arange(len(own)), same & ~own, ~same)


def edit_evidence(vectors: RelevanceVectors) -> Evidence:
    """An edited photo should find its original."""
    same, own = _same_kind(vectors), np.eye(len(vectors.photos), dtype=bool)
    times = len(vectors.edits)
    return Evidence(
        np.concatenate(list(vectors.edits.values())),
        np.tile(np.arange(len(own)), times),
        np.tile(own, (times, 1)),
        np.tile(~same, (times, 1)),
    )


def mixed_evidence(vectors: RelevanceVectors) -> Evidence:
    """A caption and an image of the same kind should find the photo with the caption."""
    same, own = _same_kind(vectors), np.eye(len(vectors.photos), dtype=bool)
    partners = _partners(vectors)
    queries = [_mixed(vectors.captions * words + partners * look) for words, look in MIXTURES]
    times = len(MIXTURES)
    return Evidence(
        np.concatenate(queries),
        np.tile(np.arange(len(own)), times),
        np.tile(own, (times, 1)),
        np.tile(~same, (times, 1)),
    )


def _partners(vectors: RelevanceVectors) -> Floats:
    """For each photo the next of its kind, or without one a crop of itself: [N, D]."""
    chosen = []
    for place, kind in enumerate(vectors.kinds):
        members = np.flatnonzero(vectors.kinds == kind)
        following = members[(int(np.flatnonzero(members == place)[0]) + 1) % len(members)]
        alone = following == place
        chosen.append(vectors.edits[PARTNER_EDIT][place] if alone else vectors.photos[following])
    return np.stack(chosen)


def _mixed(sums: Floats) -> Floats:
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)


def _same_kind(vectors: RelevanceVectors) -> Marks:
    return np.asarray(vectors.kinds[:, None] == vectors.kinds)
