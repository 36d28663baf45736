"""What the system speaks of: images, what the index records of them, queries and hits.

What a file tells beside its embedding, and which of it is asked for.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class DetailsWanted:
    """Which details cost something or are nobody's business unless somebody asks for them."""

    thumbnail: bool = False
    place: bool = False


@dataclass(frozen=True, slots=True)
class Details:
    """What a file gives beside its embedding; how it looks is meant as displayed, upright.

    `phash` is its perceptual hash, 16 hexadecimal digits; `miniature` the picture in few grays, as
    `imagesearch.duplicates.miniatures` writes it; `contrasts` the contrast map of a page, a screen
    or a chart, or of what may be one, as `imagesearch.duplicates.contrast_maps` writes it, and
    empty for other pictures; `exif` what the camera wrote: `camera` and `lens`; `latitude` and
    `longitude` degrees, north and east positive; `thumbnail` is a WebP file. A hash, miniature or
    thumbnail that was wanted and could not be made is empty.
    """

    phash: str
    miniature: str
    contrasts: str | None = None
    exif: Mapping[str, str] = field(default_factory=dict)
    latitude: float | None = None
    longitude: float | None = None
    thumbnail: bytes | None = None


Embedding: TypeAlias = NDArray[np.float32]


class Status(StrEnum):
    """What the index says of an image that it has looked at."""

    INDEXED = "indexed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where an image lies."""

    bucket: str
    key: str

    @property
    def id(self) -> str:
        """A URL-safe digest: an S3 key may have 1,024 bytes, an OpenSearch `_id` only 512."""
        digest = hashlib.sha256(f"{self.bucket}\0{self.key}".encode()).digest()
        return base64.urlsafe_b64encode(digest[:18]).decode()

    @property
    def collection(self) -> str | None:
        """The first part of the key: `cats/1.jpg` is in `cats`, `1.jpg` in none."""
        first, slash, _ = self.key.partition("/")
        return first if slash else None


@dataclass(frozen=True, slots=True)
class ObjectState:
    """What the bucket holds under a key at one moment; `size` in bytes.

    `unreadable` says why the bucket does not give its bytes now, and what to do; empty if it does.
    """

    etag: str
    last_modified: datetime
    size: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image as the model sees it: `embedding` [D] float32, L2-normalized; size as displayed.

    A file that is `truncated` ends before its last row; the embedding is that of the rows there.
    """

    embedding: Embedding
    width: int
    height: int
    content_type: str
    taken_at: datetime | None = None
    details: Details | None = None
    truncated: bool = False


class Neighbour(NamedTuple):
    """An image found to show the same picture as another one, when that one was linked.

    A tuple, as `Linked` is: ten thousands are read for one answer, and it is made in half the time.
    `sha256` is of its bytes then, `score` the cosine of both embeddings, `confidence` in [0, 1].
    """

    id: str
    sha256: str
    score: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Document:
    """What the index records of one image; the embedding is kept beside it, not in it.

    `model` is the model that embedded it and `decoder` the decoder that read or rejected it; it is
    "none" where the bucket did not give the bytes.
    A rejected image has a `reason` and neither size in pixels nor embedding. `metadata` is what is
    shown and filtered by: what the file itself told (`exif`), and over it the object's own.
    `phash`, `miniature` and `contrasts` are as in Details, `thumbnail` is the key of the small
    copy, `latitude` and `longitude` are degrees, looked for where `place_read`. What an older
    release did not look for is None, and what was looked for and could not be made is empty.
    `neighbours` are None until the image has been linked. `truncated` is as in EncodedImage.
    """

    ref: ImageRef
    status: Status
    etag: str
    last_modified: datetime
    size: int
    indexed_at: datetime
    model: str
    decoder: str
    reason: str | None = None
    sha256: str | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    exif: Mapping[str, str] = field(default_factory=dict)
    latitude: float | None = None
    longitude: float | None = None
    place_read: bool | None = None
    phash: str | None = None
    miniature: str | None = None
    contrasts: str | None = None
    thumbnail: str | None = None
    neighbours: tuple[Neighbour, ...] | None = None
    truncated: bool = False

    @property
    def id(self) -> str:
        return self.ref.id


@dataclass(frozen=True, slots=True)
class Scanned:
    """A document of a scan, with its embedding [D] where that was asked for and there is one."""

    document: Document
    embedding: Embedding | None


class Linked(NamedTuple):
    """What tells the duplicates in a collection apart, of one image that has some."""

    id: str
    key: str
    sha256: str
    neighbours: tuple[Neighbour, ...]
