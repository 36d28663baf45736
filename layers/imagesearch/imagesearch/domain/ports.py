"""What the use cases ask of the outside world; every adapter of a kind passes the same tests.

Conditional writes: what an index entry is at a version, what is to become of it, what did.

How the system is: what waits to be indexed, and how the index is.

What it takes to upload an image straight to the bucket: a multipart POST with signed fields.

What the use cases ask of who changes the bucket, and of where derived things lie.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import (
    DetailsWanted,
    Document,
    Embedding,
    EncodedImage,
    ImageRef,
    Linked,
    ObjectState,
    Scanned,
)
from imagesearch.domain.queries import ALL_DOCUMENTS, Hit, Selection, TakenPlace, VectorQuery

Version: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """An index entry with the version that a conditional write must name.

    `document` is None where the image was deleted: the entry outlives it for a while, so that a
    write which was sent before the deletion and lands after it finds another version and fails.
    """

    document: Document | None
    version: Version


@dataclass(frozen=True, slots=True)
class Put:
    """Record a document and its embedding; without embedding it is not found by search."""

    document: Document
    embedding: Embedding | None
    expected: Version | None

    @property
    def ref(self) -> ImageRef:
        return self.document.ref


@dataclass(frozen=True, slots=True)
class Touch:
    """Record a document anew and keep the embedding that is there."""

    document: Document
    expected: Version

    @property
    def ref(self) -> ImageRef:
        return self.document.ref


@dataclass(frozen=True, slots=True)
class Delete:
    """Record that the image is gone."""

    ref: ImageRef
    expected: Version | None


Write: TypeAlias = Put | Touch | Delete


class WriteStatus(StrEnum):
    WRITTEN = "written"
    CONFLICT = "conflict"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one write of a bulk; `reason` says why where it failed."""

    status: WriteStatus
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Lag:
    """Changes of the bucket that the index has not settled: `in_flight` are being looked at."""

    waiting: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class IndexHealth:
    """`status` is green, yellow or red; `images` counts those that search can find."""

    name: str
    status: str
    images: int
    rejected: int


class ImageEncoder(Protocol):
    """Turns images into vectors."""

    @property
    def model(self) -> str:
        """The model's name."""

    @property
    def decoder(self) -> str:
        """The decoder's name and version: a newer one may read what an older one rejected."""

    def encode_images(
        self, images: Sequence[bytes], details: DetailsWanted | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        """Embed files, with details where they are wanted.

        A file that cannot be read gives its error in its place, not an exception.
        """


class TextEncoder(Protocol):
    """Turns words into vectors of the same space."""

    @property
    def model(self) -> str: ...

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Embed texts: [N, D] float32, L2-normalized."""


class ImageStore(Protocol):
    """Where the images lie; its methods may be called from several threads."""

    @property
    def bucket(self) -> str: ...

    def head(self, ref: ImageRef) -> ObjectState | None:
        """What is there now; None when nothing is. Raises Unavailable."""

    def read(self, ref: ImageRef, state: ObjectState, first: int | None = None) -> bytes:
        """The object's bytes, or its `first` ones.

        Raises ObjectChanged when it is gone or no longer in `state`, UnreadableObject when the
        store does not give it until somebody acts, Unavailable.
        """

    def list_images(self) -> Iterator[tuple[ImageRef, ObjectState]]:
        """Every object, in the order of the keys' UTF-8 bytes; the states have no metadata.

        Otherwise a state is what `head` says. Raises Unavailable.
        """

    def url(self, ref: ImageRef) -> str:
        """A short-lived address at which a browser can fetch the object."""


class WebImages(Protocol):
    """Images that lie somewhere on the web; may be used from several threads."""

    def fetch(self, url: str, most: int) -> bytes:
        """An image of up to `most` bytes, which may still be damaged.

        Raises InvalidQuery, PayloadTooLarge, UnreadableImage.
        """


class ChangeQueue(Protocol):
    """Where the bucket's changes wait for the index."""

    def lag(self) -> Lag:
        """How many there are, about. Raises Unavailable."""


class RecheckQueue(Protocol):
    """Has the indexing function look at keys once more."""

    def schedule(self, refs: Sequence[ImageRef], after: timedelta) -> None:
        """Not before that time has passed. Raises Unavailable."""


class ContentLookup(Protocol):
    """Records of images, found by the SHA-256 of their files."""

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        """One indexed image of each hash that this decoder read, with its embedding [D] float32.

        Of several images it is the one that was indexed last; a hash without one is left out. An
        image is found as soon as searches find it. Raises Unavailable.
        """


class VectorIndex(ContentLookup, Protocol):
    """Records of images and k-NN over their embeddings; all methods raise Unavailable."""

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        """The entries of these ids; an id without an entry is left out."""

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        """The embeddings of indexed images, [D] float32; an id that is of none is left out."""

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Write in bulk, each on condition that its entry still has the expected version.

        `expected=None` means that no entry may be there. The results are in the order of the
        writes; a failed one leaves the others untouched. What is written is seen by `get` at
        once, and by `search` and `list_documents` shortly after.
        """

    def search(self, query: VectorQuery) -> list[Hit]:
        """Nearest neighbours by cosine similarity: score descending, then id ascending."""

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        """The answer to each query, asked all at once."""

    def list_documents(
        self, selection: Selection = ALL_DOCUMENTS, *, after: str | None = None, limit: int
    ) -> list[Document]:
        """Documents in the order of their keys' UTF-8 bytes, from behind the key `after`."""

    def list_by_time(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        newest_first: bool,
        after: TakenPlace | None = None,
        limit: int,
    ) -> list[Document]:
        """Documents in the order of when they were taken, then of their keys, or the other way.

        Those that no camera dated come last, either way; a time without zone is taken as UTC.
        """

    def count(self, selection: Selection = ALL_DOCUMENTS) -> int:
        """How many documents there are."""

    def scan(
        self, selection: Selection = ALL_DOCUMENTS, *, embeddings: bool = False
    ) -> Iterator[Scanned]:
        """Every document as of now, in the order of keys, a page at a time in memory."""

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        """Every image that has neighbours, in the order of keys, without the rest of its record."""

    @property
    def visibility_delay(self) -> timedelta:
        """How long after a record was made it is found by searches, whatever delayed its write."""

    def health(self) -> IndexHealth:
        """How the index is. Raises Unavailable when a search would fail."""

    def drop(self) -> None:
        """Delete the index with all that it holds; to use it again, open it anew."""


UPLOAD_SECONDS = 900
# As large as a file may be that is indexed.
UPLOAD_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class UploadForm:
    """POST `fields`, then the bytes as the field `file`, to `url` before `expires_at`."""

    url: str
    fields: Mapping[str, str]
    expires_at: datetime


class BucketChanges(Protocol):
    """How the bucket is changed from here; all raise Unavailable."""

    def upload_form(
        self, ref: ImageRef, content_type: str, metadata: Mapping[str, str], now: datetime
    ) -> UploadForm:
        """What a client sends to put one object there, of this type and of bounded size.

        Raises InvalidQuery for metadata that the bucket cannot hold.
        """

    def put(
        self, ref: ImageRef, data: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        """Have a new object there whole, where nothing was before.

        Raises InvalidQuery for metadata that the bucket cannot hold.
        """

    def delete(self, ref: ImageRef) -> None:
        """Have no object there; none may have been there before."""


class DerivedStore(Protocol):
    """Where things lie that are made of images; its methods may be called from several threads.

    All raise Unavailable.
    """

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Have it there whole, in place of what was there."""

    def get(self, key: str) -> bytes | None:
        """What is there; None when nothing is."""

    def delete(self, key: str) -> None:
        """Have nothing there; nothing may have been there before."""

    def url(self, key: str) -> str:
        """A short-lived address at which a browser can fetch it, whether it is there or not."""
