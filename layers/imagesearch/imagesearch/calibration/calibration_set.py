"""Calibration sets: photos with captions, label sentences, and queries without a match.

The set `samples` ships with this package (`data/`, written by `models/calibration_set.py`); a set
of own photos replaces its photos and captions only.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imagesearch.domain.counts import counted
from imagesearch.domain.errors import ConfigurationError

DATA = Path(__file__).parent / "data"
PHOTOS, LABELS, QUERIES, STARTER = "photos.tsv", "labels.txt", "queries.tsv", "starter.json"
SAMPLES = "samples"
# With fewer photos, a figure of one photo is more than four points.
MIN_PHOTOS = 24


@dataclass(frozen=True)
class CalibrationSet:
    """Photos (image files) with captions and kinds, in the same order.

    kinds: photos of one kind show the same kind of subject; a photo without others of its kind is
        its own kind.
    labels: sentences that describe common subjects, the background of text queries.
    unanswerable: queries that no photo matches, by set, see `evidence`.
    starter_found: the number of captions for which the starter model finds the right photo first;
        None for photos that are not the samples.
    """

    name: str
    photos: Sequence[bytes]
    captions: Sequence[str]
    kinds: Sequence[str]
    labels: Sequence[str]
    unanswerable: Mapping[str, Sequence[str]]
    starter_found: int | None = None

    @property
    def is_of_samples(self) -> bool:
        return self.starter_found is not None

    @cached_property
    def digest(self) -> str:
        """A digest of all photos and texts: 16 hexadecimal digits."""
        content = [hashlib.sha256(photo).hexdigest() for photo in self.photos]
        texts = [*self.captions, *self.kinds, *self.labels, json.dumps(dict(self.unanswerable))]
        return hashlib.sha256("\n".join([*content, *texts]).encode()).hexdigest()[:16]

    @property
    def kind_names(self) -> npt.NDArray[np.str_]:
        return np.array(self.kinds)

    def with_photos(
        self, name: str, photos: Sequence[bytes], captions: Sequence[str], kinds: Sequence[str]
    ) -> CalibrationSet:
        """The set with other photos. Raises ConfigurationError for fewer than `MIN_PHOTOS`."""
        if len(photos) < MIN_PHOTOS:
            raise ConfigurationError(
                f"{name} has {counted(len(photos), 'photo')}, too few to calibrate a model",
                f"name at least {MIN_PHOTOS} photos with captions",
                "invalid_captions",
            )
        return replace(
            self, name=name, photos=photos, captions=captions, kinds=kinds, starter_found=None
        )


def shipped_set(folder: Path = DATA) -> CalibrationSet:
    """The set `samples`. Raises ConfigurationError if a photo is missing or damaged."""
    rows = read_rows(folder / PHOTOS)
    return CalibrationSet(
        SAMPLES,
        [_verified(folder / row["path"], row["sha256"]) for row in rows],
        [row["caption"] for row in rows],
        [row["kind"] for row in rows],
        (folder / LABELS).read_text("utf-8").splitlines(),
        unanswerable_queries(folder / QUERIES),
        json.loads((folder / STARTER).read_text("utf-8"))["found_first"],
    )


def unanswerable_queries(path: Path = DATA / QUERIES) -> dict[str, list[str]]:
    """The queries that no sample photo matches, by set."""
    queries: dict[str, list[str]] = {}
    for row in read_rows(path):
        queries.setdefault(row["set"], []).append(row["text"])
    return queries


def read_rows(path: Path, delimiter: str = "\t") -> list[dict[str, str]]:
    """The rows of a file with a header line; those of a tab-separated file have no quotes.

    Excel begins a file in UTF-8 with a byte order mark.
    """
    with path.open(encoding="utf-8-sig", newline="") as lines:
        if delimiter == "\t":
            return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        return list(csv.DictReader(lines, delimiter=delimiter))


def _verified(path: Path, sha256: str) -> bytes:
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ConfigurationError(
            f"{path} is missing or damaged", "install imagesearch again", "damaged_installation"
        )
    return data
