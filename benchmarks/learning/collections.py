"""Made collections: the sample photos with edited copies, and users who have words of their own.

A collection has groups of photos, and queries that each look for one group. Words of a query that
the model does not know are made by renaming the groups: the users mean "hand tool" and write
"Velnor 300".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagesearch.calibration.calibration_set import DATA, PHOTOS, read_rows, shipped_set
from imagesearch.calibration.evidence import EDITS
from imagesearch.calibration.photo_embeddings import PhotoEmbeddings
from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.images import Embedding
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.self_test.edits import PillowEditor
from imagesearch.embedding.self_test.onnx_model import OnnxModel

PRODUCT_NAMES = (
    *("Velnor 300", "Kastrix Pro", "Omdera Lite", "Tuvalo S", "Brennik 12", "Quorva", "Zelmat X"),
    *("Pendora Mini", "Fystral", "Gorbiflex", "Haxemo 9", "Jilvana", "Lumfort", "Myrkon Duo"),
    *("Nobrix", "Rastuvo 40", "Sildra Max", "Wexaro", "Yundelo"),
)
# Words of the language, in a sense of the house.
JARGON = (
    *("evergreens", "the choir", "slow movers", "paperweights", "Tuesday stock", "the old guard"),
    *("front row", "weekenders", "corner shop", "the brass", "sleepers", "night shift", "ballast"),
    *("hand luggage", "the cousins", "returns", "blue ribbon", "second breakfast", "tall orders"),
)
CODES = tuple(
    f"{letter}{number}-series"
    for letter, number in zip(
        "ABCDEFGHJKLMNPQRSTU",
        (12, 7, 33, 4, 81, 26, 9, 55, 18, 3, 64, 21, 90, 47, 15, 72, 38, 6, 29),
        strict=True,
    )
)
PHRASES = (
    *("{}", "a photo of {}", "{} for the catalog", "new {}", "{} close up", "the best {}"),
    *("{} in daylight", "{} from last year", "two {}", "{} please", "{} for the web page"),
    *("our {}",),
)


@dataclass(frozen=True)
class Sight:
    """The sample photos and their edits as the model sees them.

    images: [N, D] L2-normalized. photo, group: the number of the photo of each image, and of the
    group of the photo; -1 for a photo that is alone in its kind. captions: [P, D].
    """

    images: Embedding
    photo: NDArray[np.int64]
    group: NDArray[np.int64]
    captions: Embedding
    names: Sequence[str]


@dataclass(frozen=True)
class Collection:
    """Queries [Q, D] with the group, or the photo if `of_photos`, that each looks for."""

    name: str
    queries: Embedding
    wanted: NDArray[np.int64]
    of_photos: bool = False

    def right(self, sight: Sight, row: int) -> NDArray[np.bool_]:
        """The images [N] that a query looks for."""
        of = sight.photo if self.of_photos else sight.group
        return np.asarray(of == self.wanted[row])


class Bench:
    """The sample photos seen by one model, and the collections made from them."""

    def __init__(self, folder: Path) -> None:
        manifest = load_manifest(folder)
        self._model = OnnxModel(folder, manifest)
        self._prompts = manifest.prompts
        self._copy_cosine = manifest.duplicates.weights.copy_cosine
        self.set = shipped_set()
        self.sight = self._sight()

    def close(self) -> None:
        self._model.close()

    def collection(self, name: str, words: Sequence[str]) -> Collection:
        """A query for each phrase with the word of each group."""
        texts = [phrase.format(word) for word in words for phrase in PHRASES]
        wanted = np.repeat(np.arange(len(words)), len(PHRASES))
        return Collection(name, self.embed(tuple(texts)), wanted)

    @cache  # noqa: B019 - one bench a process
    def embed(self, texts: tuple[str, ...]) -> Embedding:
        """[N, D], one by one, like queries."""
        return np.concatenate([self._model.texts.encode_texts([text]) for text in texts])

    @property
    def labels(self) -> LabelEncoder:
        return LabelEncoder(self._model.texts, self._prompts, self._copy_cosine)

    def folders(self) -> tuple[list[str], NDArray[np.int64]]:
        """The folders of the photos, and the number [P] of the folder of each."""
        folders = [row["path"].partition("/")[0] for row in read_rows(DATA / PHOTOS)]
        names = list(dict.fromkeys(folders))
        return names, np.array([names.index(each) for each in folders])

    def _sight(self) -> Sight:
        kinds = list(self.set.kinds)
        names = [kind for kind in dict.fromkeys(kinds) if kinds.count(kind) > 1]
        group = np.array([names.index(kind) if kind in names else -1 for kind in kinds])
        photos = PhotoEmbeddings(
            self.set.photos, self._model.images, PillowEditor(), lambda _: None
        )
        rows = range(len(kinds))
        images = np.concatenate([photos.vectors(rows, edit) for edit in (None, *EDITS)])
        copies = 1 + len(EDITS)
        return Sight(
            images,
            np.tile(np.arange(len(kinds)), copies),
            np.tile(group, copies),
            self.embed(tuple(self.set.captions)),
            names,
        )
