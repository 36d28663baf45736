"""Ports: the interfaces through which the use cases reach the outside world, and their data types.

An adapter implements one port. All adapters of a port pass the same contract tests.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeAlias

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.facets import Facets
from imagesearch.domain.folders import CollectionCount
from imagesearch.domain.images import (
    DetailOptions,
    Document,
    Embedding,
    EncodedImage,
    ImageRef,
    IndexEntry,
    Linked,
    ObjectState,
    Scanned,
)
from imagesearch.domain.queries import ALL_DOCUMENTS, Hit, Selection, TimePosition, VectorQuery

# An upload form is valid for this long, and accepts files of up to the size that is indexed.
UPLOAD_SECONDS = 900
UPLOAD_BYTES = 64 * 2**20

Version: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """An index entry and the version that a conditional write of it must expect.

    `document` is None for a deleted image. Its entry remains for some time, so that a write that
    was sent before the deletion and arrives after it finds another version and fails.
    """

    document: Document | None
    version: Version


@dataclass(frozen=True, slots=True)
class Put:
    """Write a document and its embedding [D]; without an embedding, searches do not find it."""

    document: Document
    embedding: Embedding | None
    expected: Version | None

    @property
    def ref(self) -> ImageRef:
        return self.document.ref


@dataclass(frozen=True, slots=True)
class Touch:
    """Write a document and keep the stored embedding."""

    document: Document
    expected: Version

    @property
    def ref(self) -> ImageRef:
        return self.document.ref


@dataclass(frozen=True, slots=True)
class Delete:
    """Write that the image was deleted."""

    ref: ImageRef
    expected: Version | None


# Key, ETag, time of the last change in ISO 8601 and size in bytes of an object, as in a JSON array.
ReportedObject: TypeAlias = tuple[str, str, str, int]
Write: TypeAlias = Put | Touch | Delete


class WriteStatus(StrEnum):
    """CONFLICT: the entry had another version than expected."""

    WRITTEN = "written"
    CONFLICT = "conflict"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of one write of a batch; `reason` explains FAILED."""

    status: WriteStatus
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Lag:
    """Approximate numbers of changes that are not indexed; `in_flight` are being processed."""

    waiting: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class NextModel:
    """A model that will replace the one in use, and the progress of its current step.

    `state` is downloading (steps are bytes), testing (steps of the self-test), indexing (images) or
    failed; `total` is None where it is unknown. `message` is the reason for a failure or a delay.
    """

    name: str
    state: str
    done: int = 0
    total: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class IndexHealth:
    """`status` is green, yellow or red, `images` the number of searchable images.

    `damaged` records were found since the index was opened, and are indexed again as missing ones.
    """

    name: str
    status: str
    images: int
    rejected: int
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A multipart form: POST `fields`, then the file as `file`, to `url` before `expires_at`."""

    url: str
    fields: Mapping[str, str]
    expires_at: datetime


class ImageEncoder(Protocol):
    """Embeds images; may be used from several threads."""

    @property
    def model(self) -> str:
        """The name of the model."""

    @property
    def decoder(self) -> str:
        """The decoder's name and version; a new version may decode files that an old one rejected.

        Raises Unavailable, ConfigurationError.
        """

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        """Embed image files; with `details`, also extract the image details that it selects.

        The results are in the order of `images`. The result for an unreadable file is its error,
        which is not raised. Raises Unavailable, ConfigurationError.
        """


class PreviewMaker(Protocol):
    """Decodes images for browsers; may be used from several threads."""

    def preview(self, data: bytes, longest_side: int) -> bytes:
        """A WebP file of the upright image in sRGB, at most `longest_side` pixels wide and high.

        Raises UnreadableImage, Unavailable, ConfigurationError.
        """


class TextEncoder(Protocol):
    """Embeds texts into the space of the image embeddings; may be used from several threads."""

    @property
    def model(self) -> str:
        """The name of the model."""

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Embed texts, in their order: [N, D] float32, L2-normalized.

        Raises InvalidQuery for a text to which the model assigns no usable vector.
        """


class ImageStore(Protocol):
    """The bucket that holds the images; may be used from several threads."""

    @property
    def bucket(self) -> str:
        """The name of the bucket."""

    def head(self, ref: ImageRef) -> ObjectState | None:
        """The current state of an object; None if it does not exist.

        Raises Unavailable, and Unreachable while the object's existence cannot be determined.
        """

    def read(self, ref: ImageRef, state: ObjectState, first: int | None = None) -> bytes:
        """The content of an object, or its `first` bytes.

        Raises ObjectChanged if the object was deleted or is not in `state` any more,
        UnreadableObject if its content cannot be read without action by an operator, Unavailable.
        """

    def list_images(self, after: str = "") -> Iterator[tuple[ImageRef, ObjectState]]:
        """Every object after the key `after` and its state, ordered by the UTF-8 bytes of the keys.

        A state equals that of `head` except that `metadata` is empty. Raises Unavailable.
        """

    def url(self, ref: ImageRef) -> str:
        """A URL from which a browser can download the object for a limited time.

        Does not check that the object exists. Raises Unavailable.
        """


class InventoryReport(Protocol):
    """A listing of a bucket as of an earlier time, in files whose keys have no order."""

    @property
    def uri(self) -> str:
        """The location from which this report can be opened again."""

    @property
    def created(self) -> datetime:
        """The time from which the report is. Objects written shortly before may be missing."""

    @property
    def files(self) -> int:
        """The number of files."""

    def objects(self, file: int) -> Iterator[ReportedObject]:
        """The objects in a file, from 0, in constant memory. Raises UnusableReport, Unavailable."""


class WebImages(Protocol):
    """Downloads images from the web; may be used from several threads."""

    def fetch(self, url: str, max_bytes: int) -> bytes:
        """Download a file that begins as an image does; it may be damaged.

        Raises InvalidQuery for a URL that is invalid, not public or not retrievable,
        PayloadTooLarge above `max_bytes`, UnreadableImage for content that is no image.
        """


class ChangeQueue(Protocol):
    """The queue of changes of the bucket that are to be indexed."""

    def lag(self) -> Lag:
        """The approximate length of the queue. Raises Unavailable."""


class RecheckQueue(Protocol):
    """Schedules keys for another pass of the indexing function."""

    def schedule(self, refs: Sequence[ImageRef], after: timedelta) -> None:
        """Process the keys again, not before `after` has passed. Raises Unavailable."""


class ContentLookup(Protocol):
    """Finds index records by the SHA-256 of the image files."""

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        """For each hash one image with this content that `decoder` decoded, with its embedding.

        Of several images the one that was indexed last is returned; a hash without an image is
        omitted. A written image is found as soon as searches find it. Raises Unavailable.
        """


class VectorIndex(ContentLookup, Protocol):
    """Records of images and k-NN search over their embeddings; all methods raise Unavailable.

    May be used from several threads.
    """

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        """The entries with these ids, as last written; an id without an entry is omitted."""

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        """The embeddings of indexed images, [D] float32; any other id is omitted."""

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        """Write a batch; each write requires that its entry still has the version `expected`.

        `expected=None` requires that there is no entry. The results are in the order of `writes`,
        and a failed write does not affect the others. `get` returns a write immediately, searches
        and lists after a delay.
        """

    def search(self, query: VectorQuery) -> list[Hit]:
        """The nearest images by cosine similarity: highest score first, then by id."""

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        """The hits of each query, in the order of `queries`; one request for all of them."""

    def list_documents(
        self, selection: Selection = ALL_DOCUMENTS, *, after: str | None = None, limit: int
    ) -> list[Document]:
        """Documents ordered by the UTF-8 bytes of their keys, the first after the key `after`."""

    def list_by_time(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        newest_first: bool,
        after: TimePosition | None = None,
        limit: int,
    ) -> list[Document]:
        """Documents ordered by capture time, then key, both descending if `newest_first`.

        Documents without a capture time are last in both orders. A time without a time zone is
        interpreted as UTC.
        """

    def count(self, selection: Selection = ALL_DOCUMENTS) -> int:
        """The number of matching documents."""

    def facets(self, selection: Selection = ALL_DOCUMENTS) -> Facets:
        """The facets of the matching documents; collections one level below `collection`."""

    def collections(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        depth: int,
        after: str | None = None,
        limit: int,
    ) -> list[CollectionCount]:
        """The collections below `selection.collection`, in the order of their UTF-8 bytes.

        Down to `depth` levels below it, and the first after `after`; each with the number of
        matching documents. Collections are nested up to `folders.FOLDER_LEVELS` levels.
        """

    def scan(
        self, selection: Selection = ALL_DOCUMENTS, *, embeddings: bool = False
    ) -> Iterator[Scanned]:
        """All matching documents as of the call, in the order of keys, in constant memory.

        With `embeddings`, each document is returned with its embedding.
        """

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        """Every image with neighbors, in the order of keys, without the rest of its record."""

    def list_entries(self, *, after: str = "") -> Iterator[IndexEntry]:
        """Every image after the key `after`, ordered by the UTF-8 bytes of the keys.

        Read page by page in constant memory: an image that is written meanwhile may be included.
        """

    def keys_of_ids(self, prefix: str) -> list[str]:
        """The keys of images whose ids begin with `prefix`, in their order; 10,000 at most.

        Ids are digests: this is a uniform sample of the keys.
        """

    @property
    def visibility_delay(self) -> timedelta:
        """The longest time from `indexed_at` of a record until searches find it."""

    def health(self) -> IndexHealth:
        """The health of the index. Raises Unavailable if a search would fail."""

    def drop(self) -> None:
        """Delete the index and its content; afterwards, only a newly opened index can be used."""


class BucketChanges(Protocol):
    """Uploads and deletions of objects; all methods raise Unavailable."""

    def upload_form(
        self, ref: ImageRef, content_type: str, metadata: Mapping[str, str], now: datetime
    ) -> UploadForm:
        """A form with which a client uploads one object of this type, up to `UPLOAD_BYTES`.

        Raises InvalidQuery for metadata that the bucket cannot store.
        """

    def put(
        self, ref: ImageRef, data: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        """Create an object under a key that does not exist; readers never see a part of it.

        Raises InvalidQuery for metadata that the bucket cannot store.
        """

    def delete(self, ref: ImageRef) -> None:
        """Delete an object; succeeds if there is none."""


class DerivedStore(Protocol):
    """Stores data derived from images, such as thumbnails; may be used from several threads.

    All methods raise Unavailable.
    """

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Create or replace an object; readers never see a part of it."""

    def get(self, key: str) -> bytes | None:
        """The content of an object; None if it does not exist."""

    def delete(self, key: str) -> None:
        """Delete an object; succeeds if there is none."""

    def list_keys(self, prefix: str, after: str = "") -> Iterator[tuple[str, datetime]]:
        """The keys that begin with `prefix`, after the key `after`, each with its time of writing.

        They are ordered by their UTF-8 bytes.
        """

    def url(self, key: str) -> str:
        """A URL from which a browser can download the object for a limited time.

        Does not check that the object exists.
        """
