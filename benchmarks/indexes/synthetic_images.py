"""Synthetic images: realistic records, and vectors distributed like those of CLIP.

A vector is the normalized sum of a component shared by all images, a topic and an individual part.
Topics have uneven sizes, and both parts have a spectrum that falls as 1/sqrt(rank), randomly
rotated so that no axis dominates. Unrelated images have a cosine of about 0.5, images of a topic
about 0.8. Half of the queries are new images, half are apart from all images, as texts are.

Also creates indexes for benchmarks, and measures their size on disk.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.opensearch.mapping import IndexSettings, index_body
from imagesearch.domain.images import Document, Embedding, ImageRef, Status
from imagesearch.domain.ports import Put
from imagesearch.domain.storage_keys import thumbnail_key
from imagesearch.duplicates.miniatures import Grays, to_text

DIMENSION = 512
TOPICS = 1000
OWN = 0.8
TAKEN = datetime(2024, 7, 1, 10, tzinfo=UTC)
# The images were taken at random times within 194 days.
SPAN_SECONDS = 16**6
# Vectors that are made together: intermediate results have twice their size.
_CHUNK = 50_000


class Collection:
    """`count` vectors [N, D] and `queries` [Q, D], from a fixed seed."""

    def __init__(self, count: int, queries: int) -> None:
        random = np.random.default_rng(11)
        self._spectrum = (1 + np.arange(DIMENSION)) ** -0.5
        self._turn = np.linalg.qr(random.normal(size=(DIMENSION, DIMENSION)))[0]
        length = np.linalg.norm(self._spectrum) * np.sqrt(1 + OWN**2)
        self._topics = self._spread(random, TOPICS)
        share = 1 / (10 + np.arange(TOPICS))
        self._share = share / share.sum()
        images, texts = (self._direction(random) * length for _ in range(2))
        self.vectors = self._around(random, count, images)
        half = queries // 2
        new, words = self._around(random, queries - half, images), self._around(random, half, texts)
        self.queries = np.concatenate([new, words])

    def nearest(self, count: int, limit: int) -> list[set[int]]:
        """The exact nearest neighbors of each query among the first `count` vectors, by number."""
        scores = self.queries @ self.vectors[:count].T
        return [set(row) for row in np.argpartition(-scores, limit)[:, :limit].tolist()]

    def puts(self, start: int, end: int) -> list[Put]:
        return [Put(document(n), self.vectors[n], None) for n in range(start, end)]

    def _around(self, random: np.random.Generator, count: int, common: Embedding) -> Embedding:
        vectors = np.empty((count, DIMENSION), np.float32)
        for start in range(0, count, _CHUNK):
            part = vectors[start : start + _CHUNK]
            topics = self._topics[random.choice(TOPICS, len(part), p=self._share)]
            total = topics + OWN * self._spread(random, len(part)) + common
            part[:] = total / np.linalg.norm(total, axis=1, keepdims=True)
        return vectors

    def _spread(self, random: np.random.Generator, count: int) -> Embedding:
        normal = random.standard_normal((count, DIMENSION), np.float32)
        return np.asarray((normal * self._spectrum) @ self._turn, np.float32)

    def _direction(self, random: np.random.Generator) -> Embedding:
        normal = random.normal(size=DIMENSION)
        return np.asarray(normal / np.linalg.norm(normal), np.float32)


@cache
def collection(count: int, queries: int) -> Collection:
    return Collection(count, queries)


def document(number: int) -> Document:
    """The record of an image whose key ends with the number; its digests do not compress."""
    digest = _digest(number)
    ref = ImageRef("my-photos", f"2024/{number % 366:03}/holiday-at-the-sea/IMG_{number:08}.jpg")
    taken = TAKEN + timedelta(seconds=taken_after(number))
    return Document(
        ref=ref,
        status=Status.INDEXED,
        etag=digest[-32:],
        last_modified=taken + timedelta(days=1),
        size=2_000_000 + int(digest[6:12], 16) // 8,
        indexed_at=taken + timedelta(days=1, milliseconds=int(digest[:4], 16)),
        model="clip-vit-b-32-int8",
        decoder="pillow 12.0.0, pi-heif 1.1.1",
        sha256=digest,
        content_type="image/jpeg",
        width=4000,
        height=3000,
        taken_at=taken,
        metadata={"camera": "X100", "label": f"topic {number % 50}"},
        exif={"camera": "X100"},
        phash=digest[:16],
        miniature=to_text(_grays(number), 4 / 3),
        thumbnail=thumbnail_key(ref, digest, None, b"small", b"large"),
        neighbors=(),
    )


def taken_after(number: int) -> int:
    """The time at which the image was taken, in seconds after TAKEN: below SPAN_SECONDS."""
    return int(_digest(number)[:6], 16)


def _digest(number: int) -> str:
    return hashlib.sha256(f"{number}".encode()).hexdigest()


def _grays(number: int) -> Grays:
    """A smooth thumbnail with some noise: [24, 24], 0 to 1."""
    random = np.random.default_rng(number)
    coarse = random.random((6, 6))
    return np.asarray(np.kron(coarse, np.ones((4, 4))) * 0.9 + random.random((24, 24)) * 0.1)


def numbers(keys: Iterator[str]) -> set[int]:
    return {int(key[-12:-4]) for key in keys}


class Bytes(NamedTuple):
    """Bytes per document: in total, of full vectors, of quantized vectors, and of the graph."""

    all: float
    full: float
    short: float
    graph: float


def open_index(url: str, name: str, settings: IndexSettings | None = None) -> OpenSearchIndex:
    return OpenSearchIndex(
        url, name, DIMENSION, model="bench", settings=settings or IndexSettings()
    )


def create_index(raw: Any, name: str, settings: IndexSettings, **extra: Any) -> None:
    """The index as the adapter creates it, with additional settings."""
    body = index_body({"space": name, "dimension": DIMENSION, "model": "bench"}, settings)
    raw.indices.create(index=name, body=body | {"settings": body["settings"] | extra})


def bytes_per_document(raw: Any, name: str) -> Bytes:
    raw.indices.flush(index=name)
    answer = raw.indices.stats(index=name, params={"include_segment_file_sizes": "true"})
    total = answer["_all"]["primaries"]
    count, files = total["docs"]["count"], total["segments"]["file_sizes"]
    return Bytes(
        total["store"]["size_in_bytes"] / count,
        _size(files, "vec") / count,
        _size(files, "veq") / count,
        _size(files, "vex") / count,
    )


def segments(raw: Any, name: str) -> int:
    answer = raw.indices.stats(index=name, metric="segments")
    return int(answer["_all"]["primaries"]["segments"]["count"])


def _size(files: Mapping[str, Any], kind: str) -> int:
    file = files.get(kind, {})
    return int(file.get("size_in_bytes", 0))
