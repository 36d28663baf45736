"""In-memory adapters of the ports, with hooks at each step where state can change concurrently."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from imagesearch.domain.errors import (
    ImageSearchError,
    InvalidQuery,
    ObjectChanged,
    Unavailable,
    UnreadableImage,
)
from imagesearch.domain.images import (
    DetailOptions,
    Details,
    Embedding,
    EncodedImage,
    ImageRef,
    ObjectState,
)
from imagesearch.domain.ports import UPLOAD_SECONDS, Lag, ReportedObject, UploadForm
from imagesearch.duplicates.miniatures import to_text
from imagesearch.search.relevance import Background, Curve, Modality, Relevance

BUCKET = "pictures"
PNG = b"\x89PNG\r\n\x1a\n"
START = datetime(2026, 1, 1, tzinfo=UTC)


def ref(key: str) -> ImageRef:
    return ImageRef(BUCKET, key)


def picture(words: str) -> bytes:
    """A file that FakeImages can decode, with the magic number of a PNG."""
    return PNG + words.encode()


def vector(words: str) -> Embedding:
    """[8] float32, L2-normalized, determined by the words."""
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")
    drawn = np.random.default_rng(seed).normal(size=8)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def miniature(words: str) -> str:
    """A pattern of light and dark blobs, determined by the words."""
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")
    blobs = np.random.default_rng(seed).integers(0, 255, (8, 8))
    return to_text(np.kron(blobs, np.ones((3, 3))).astype(np.float32), 4 / 3)


class Hooks:
    """A queue of calls, one of which is run at each execution of a step."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], object]] = []

    def then(self, *calls: Callable[[], object]) -> None:
        self._waiting.extend(calls)

    def run(self) -> None:
        if self._waiting:
            self._waiting.pop(0)()


@dataclass
class FakeStore:
    """A bucket with its own clock; keys in `unavailable` cannot be accessed."""

    bucket: str = BUCKET
    objects: dict[str, tuple[bytes, ObjectState]] = field(default_factory=dict)
    unavailable: set[str] = field(default_factory=set)
    before_read: Hooks = field(default_factory=Hooks)
    reads: list[str] = field(default_factory=list)
    seconds: int = 0

    def put(self, key: str, data: bytes, metadata: Mapping[str, str] | None = None) -> ObjectState:
        self.seconds += 1
        modified = START + timedelta(seconds=self.seconds)
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        state = ObjectState(etag, modified, len(data), dict(metadata or {}))
        self.objects[key] = data, state
        return state

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def head(self, ref: ImageRef) -> ObjectState | None:
        self._answer(ref)
        return self.objects[ref.key][1] if ref.key in self.objects else None

    def read(self, ref: ImageRef, state: ObjectState, first: int | None = None) -> bytes:
        self.before_read.run()
        self._answer(ref)
        data, now = self.objects.get(ref.key, (b"", None))
        if now is None or now.etag != state.etag:
            raise ObjectChanged(f"{ref.key} changed")
        self.reads.append(ref.key)
        return data[:first]

    def list_images(self, after: str = "") -> Iterator[tuple[ImageRef, ObjectState]]:
        """As S3 lists: an object that was deleted since the page was read may be included."""
        for key, (_, state) in sorted(self.objects.items(), key=lambda each: each[0].encode()):
            if key.encode() > after.encode():
                yield ImageRef(self.bucket, key), replace(state, metadata={})

    def url(self, ref: ImageRef) -> str:
        return f"https://{ref.bucket}.test/{ref.key}"

    def _answer(self, ref: ImageRef) -> None:
        if ref.key in self.unavailable:
            raise Unavailable(f"cannot read {ref.key}")


@dataclass
class FakeReport:
    """A report of a store's objects as of its creation, in files that are not ordered by key."""

    store: FakeStore
    created: datetime
    files: int = 3
    uri: str = "s3://reports/photos/2026-01-02T00-00Z/manifest.json"
    while_read: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        listed = [
            (ref.key, state.etag, state.last_modified.isoformat(), state.size)
            for ref, state in self.store.list_images()
        ]
        self._objects = sorted(listed, key=lambda each: hashlib.sha256(each[0].encode()).digest())

    def objects(self, file: int) -> Iterator[ReportedObject]:
        for each in self._objects[file :: self.files]:
            self.while_read()
            yield each


@dataclass
class FakeImages:
    """Decodes files made by `picture`, and records the batches."""

    model: str = "fake"
    decoder: str = "fake 1"
    unreadable: str = "broken"
    unavailable: bool = False
    batches: list[list[bytes]] = field(default_factory=list)

    @property
    def read(self) -> list[bytes]:
        return [data for batch in self.batches for data in batch]

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        if self.unavailable:
            raise Unavailable("no decoder can be started")
        self.batches.append(list(images))
        return [self._encode(data, details) for data in images]

    def preview(self, data: bytes, longest_side: int) -> bytes:
        encoded = self._encode(data, None)
        if isinstance(encoded, UnreadableImage):
            raise encoded
        return f"{longest_side} ".encode() + data

    def _encode(self, data: bytes, details: DetailOptions | None) -> EncodedImage | UnreadableImage:
        words = data.removeprefix(PNG).decode(errors="replace")
        if not data.startswith(PNG) or self.unreadable in words:
            return UnreadableImage("cannot be decoded", "send another file")
        found = _details(words, details) if details else None
        return EncodedImage(vector(words), 640, 480, "image/png", details=found)


def _details(words: str, wanted: DetailOptions) -> Details:
    """The camera at the end of the words, and the requested details."""
    _, by, camera = words.partition(" by ")
    return Details(
        phash=hashlib.sha256(words.encode()).hexdigest()[:16],
        miniature=miniature(words),
        exif={"camera": camera} if by else {},
        latitude=48.5 if wanted.gps else None,
        longitude=-2.25 if wanted.gps else None,
        thumbnail=f"small {words}".encode() if wanted.thumbnail else None,
        large_thumbnail=f"large {words}".encode()
        if wanted.thumbnail and words.startswith("large")
        else None,
    )


@dataclass
class FakeTexts:
    """Encodes words as the vector of their picture, and records the batches."""

    model: str = "fake"
    meaningless: str = "nothing at all"
    batches: list[list[str]] = field(default_factory=list)

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        self.batches.append(list(texts))
        if self.meaningless in texts:
            raise InvalidQuery("no usable vector", "use other words", "invalid_text")
        return np.stack([vector(text) for text in texts])


# The relevance is 0.5 at a cosine of 0.5 for every query.
ANYTHING = Background(np.eye(8, dtype=np.float32), neighbors=1)
RELEVANCE = Relevance(dict.fromkeys(Modality, (ANYTHING, Curve(slope=8, base=0.5, nearness=0))))


@dataclass
class FakeQueue:
    waiting: int
    in_flight: int
    unavailable: bool = False

    def lag(self) -> Lag:
        if self.unavailable:
            raise Unavailable("the queue is unavailable")
        return Lag(self.waiting, self.in_flight)


@dataclass
class FakeDerived:
    """A derived store that is unavailable for keys with the prefix in `unavailable`."""

    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    unavailable: str | None = None
    written: datetime = START
    before_put: Hooks = field(default_factory=Hooks)

    def put(self, key: str, data: bytes, content_type: str) -> None:
        self.before_put.run()
        self._answer(key)
        self.files[key] = data, content_type

    def get(self, key: str) -> bytes | None:
        self._answer(key)
        return self.files[key][0] if key in self.files else None

    def delete(self, key: str) -> None:
        self._answer(key)
        self.files.pop(key, None)

    def list_keys(self, prefix: str, after: str = "") -> Iterator[tuple[str, datetime]]:
        self._answer(prefix)
        for key in sorted(self.files):
            if key.startswith(prefix) and key > after:
                yield key, self.written

    def url(self, key: str) -> str:
        return f"https://derived.test/{key}"

    def _answer(self, key: str) -> None:
        if self.unavailable is not None and key.startswith(self.unavailable):
            raise Unavailable(f"the derived store is unavailable for {key}")


@dataclass
class FakeChanges:
    """Records signed forms, and changes the fake store."""

    store: FakeStore
    signed: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def upload_form(
        self, ref: ImageRef, content_type: str, metadata: Mapping[str, str], now: datetime
    ) -> UploadForm:
        self.signed.append((ref.key, content_type, dict(metadata)))
        expires = now + timedelta(seconds=UPLOAD_SECONDS)
        return UploadForm("https://bucket.test/", {"key": ref.key}, expires)

    def put(
        self, ref: ImageRef, data: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        self.store.put(ref.key, data, metadata)

    def delete(self, ref: ImageRef) -> None:
        self.store.delete(ref.key)


@dataclass
class FakeWeb:
    """Images or download errors by URL."""

    images: dict[str, bytes | ImageSearchError]
    requested: list[str] = field(default_factory=list)

    def fetch(self, url: str, max_bytes: int) -> bytes:
        self.requested.append(url)
        found = self.images[url]
        if isinstance(found, ImageSearchError):
            raise found
        return found
