"""Images: objects in the bucket, the result of encoding a file, and the records of the index."""

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

Embedding: TypeAlias = NDArray[np.float32]


class Status(StrEnum):
    """The state of an image in the index."""

    INDEXED = "indexed"
    REJECTED = "rejected"


class Orientation(StrEnum):
    """The shape of an image as displayed."""

    LANDSCAPE = "landscape"
    PORTRAIT = "portrait"
    SQUARE = "square"


@dataclass(frozen=True, slots=True)
class ImageRef:
    """The location of an image: a bucket and a key."""

    bucket: str
    key: str

    @property
    def id(self) -> str:
        """The image id: 24 URL-safe characters.

        A digest, because S3 keys have up to 1,024 bytes and OpenSearch ids up to 512.
        """
        digest = hashlib.sha256(f"{self.bucket}\0{self.key}".encode()).digest()
        return base64.urlsafe_b64encode(digest[:18]).decode()

    @property
    def collection(self) -> str | None:
        """The first folder of the key: `cats` for `cats/1.jpg`, None for `1.jpg`."""
        first, slash, _ = self.key.partition("/")
        return first if slash else None


@dataclass(frozen=True, slots=True)
class ObjectState:
    """The state of an object at one time; `size` in bytes.

    `unreadable` is the reason why the content cannot be read, with the remedy; empty if it can be.
    """

    etag: str
    last_modified: datetime
    size: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class DetailOptions:
    """Optional details: `thumbnail` costs time and storage, `gps` coordinates are personal data."""

    thumbnail: bool = False
    gps: bool = False


@dataclass(frozen=True, slots=True)
class Details:
    """Details of an image file; `phash`, `miniature` and `contrasts` are of the upright image.

    phash: the perceptual hash, 16 hexadecimal digits.
    miniature: see `imagesearch.duplicates.miniatures`.
    contrasts: the contrast map of a page, a screenshot, a chart or what may be one, see
        `imagesearch.duplicates.contrast_maps`; empty for other images.
    exif: `camera` and `lens`, if the file has them.
    latitude, longitude: degrees, north and east positive.
    thumbnail: a JPEG file.
    large_thumbnail: another one, for screens with two pixels per CSS pixel; None if the decoded
        image is not large enough.

    A hash, miniature or thumbnail that could not be created is empty.
    """

    phash: str
    miniature: str
    contrasts: str | None = None
    exif: Mapping[str, str] = field(default_factory=dict)
    latitude: float | None = None
    longitude: float | None = None
    thumbnail: bytes | None = None
    large_thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """The result of encoding a file: `embedding` [D] float32, L2-normalized; size as displayed.

    A `truncated` file ends before its last row; its embedding is that of the existing rows.
    `taken_offset` is the UTC offset of the camera's clock at `taken_at`, such as `+02:00`.
    """

    embedding: Embedding
    width: int
    height: int
    content_type: str
    taken_at: datetime | None = None
    details: Details | None = None
    truncated: bool = False
    taken_offset: str | None = None


class Neighbor(NamedTuple):
    """A duplicate of an image, found when that image was linked.

    `sha256` is of the duplicate's content at that time, `score` the cosine similarity of both
    embeddings, `confidence` in [0, 1]. A tuple, like `Linked`: one answer needs tens of thousands,
    and tuples are created in half the time.
    """

    id: str
    sha256: str
    score: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Document:
    """The index record of one image; the embedding is stored separately.

    model: the model that created the embedding.
    decoder: the decoder that decoded or rejected the file, "none" if the content was unreadable.
    reason: the reason for a rejection. A rejected image has no size in pixels and no embedding.
    metadata: the entries that are shown and filtered by: `exif`, overridden by the object's own.
    phash, miniature, contrasts, latitude, longitude: see `Details`.
    place_read: True if coordinates were extracted, or would have been, had the file had any.
    thumbnail: the key of the thumbnail in the derived store.
    large_thumbnail: True if there is also one at `storage_keys.large_thumbnail_key(thumbnail)`.
    neighbors: the duplicates; None until the image has been linked.
    truncated, taken_offset: see `EncodedImage`.

    A detail is None if the release that wrote the record did not extract it, and empty if it could
    not be created.
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
    taken_offset: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    exif: Mapping[str, str] = field(default_factory=dict)
    latitude: float | None = None
    longitude: float | None = None
    place_read: bool | None = None
    phash: str | None = None
    miniature: str | None = None
    contrasts: str | None = None
    thumbnail: str | None = None
    neighbors: tuple[Neighbor, ...] | None = None
    truncated: bool = False
    large_thumbnail: bool = False

    @property
    def id(self) -> str:
        return self.ref.id

    @property
    def pixels(self) -> int | None:
        """The number of pixels; None for a rejected image."""
        return None if self.width is None or self.height is None else self.width * self.height

    @property
    def orientation(self) -> Orientation | None:
        """None for a rejected image."""
        if self.width is None or self.height is None:
            return None
        if self.width == self.height:
            return Orientation.SQUARE
        return Orientation.LANDSCAPE if self.width > self.height else Orientation.PORTRAIT

    @property
    def entry(self) -> IndexEntry:
        """The part that is compared with the object."""
        return IndexEntry(self.ref, self.status, self.etag, self.indexed_at, self.last_modified)


@dataclass(frozen=True, slots=True)
class Scanned:
    """A document and its embedding [D] float32; None if not requested or not present."""

    document: Document
    embedding: Embedding | None


class IndexEntry(NamedTuple):
    """The part of an image's record that is compared with its object; see `Document`."""

    ref: ImageRef
    status: Status
    etag: str
    indexed_at: datetime
    last_modified: datetime


class Linked(NamedTuple):
    """The part of an image's record from which groups of duplicates are computed."""

    id: str
    key: str
    sha256: str
    neighbors: tuple[Neighbor, ...]
