"""API keys that are bound to collections, and the ports limited to these collections."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import unquote

from imagesearch.domain.errors import NotAllowed
from imagesearch.domain.facets import Facets
from imagesearch.domain.filters import AllOf, AnyOf, Filter, KeyPrefix, OneOf
from imagesearch.domain.folders import CollectionCount, folder_of, in_collection
from imagesearch.domain.images import (
    Document,
    Embedding,
    ImageRef,
    IndexEntry,
    Linked,
    ObjectState,
    Scanned,
    Status,
)
from imagesearch.domain.ports import (
    BucketChanges,
    ImageStore,
    IndexHealth,
    Stored,
    UploadForm,
    VectorIndex,
    Write,
    WriteResult,
)
from imagesearch.domain.queries import ALL_DOCUMENTS, Hit, Selection, TimePosition, VectorQuery
from imagesearch.uploads import image_not_found

ALL_COLLECTIONS = "*"


@dataclass(frozen=True, slots=True)
class Scope:
    """The collections that a key may access; an image without a collection is in no scope.

    A collection is a folder of any level, such as `cats` or `cats/kittens`.
    """

    collections: frozenset[str]

    def holds(self, ref: ImageRef) -> bool:
        return any(in_collection(ref.key, each) for each in self.collections)

    def require(self, ref: ImageRef) -> None:
        """Raises NotAllowed for an image outside the scope."""
        if not self.holds(ref):
            names = ", ".join(sorted(self.collections))
            where = f"in {ref.collection!r}" if ref.collection else "outside of collections"
            raise NotAllowed(
                f"this key does not permit changes {where}",
                f"use a collection that the key is bound to: {names}",
                "collection_not_allowed",
            )

    def narrowed(self, filter: Filter | None) -> Filter:
        """The filter, limited to images in the scope."""
        names = sorted(self.collections)
        within: Filter = OneOf("collection", tuple(each for each in names if "/" not in each))
        if nested := [KeyPrefix(folder_of(each)) for each in names if "/" in each]:
            within = AnyOf((within, *nested))
        return AllOf((within, filter)) if filter else within

    def visible(self, collection: str | None) -> list[str]:
        """The outermost collections in the scope that are in a collection, in the order of keys."""
        if collection is not None and self.holds(ImageRef("", folder_of(collection))):
            return [collection]
        within = [each for each in self.collections if in_collection(folder_of(each), collection)]
        outermost = [
            each for each in within if not any(in_collection(each, other) for other in within)
        ]
        return sorted(outermost, key=lambda each: folder_of(each).encode())


@dataclass(frozen=True, slots=True)
class KeyBindings:
    """The scope of each API key by its id; None for access to everything.

    If there are bindings, a key that is not among them, or no key, has access to nothing.
    """

    scopes: Mapping[str, Scope | None]

    def scope_of(self, key_id: str | None) -> Scope | None:
        """The scope of a request by the id of its key. Raises NotAllowed."""
        if not self.scopes:
            return None
        try:
            return self.scopes[key_id or ""]
        except KeyError:
            raise NotAllowed(
                "this API key is not bound to collections",
                "ask the operator to list the ID of the key in KEY_COLLECTIONS, with * for all",
                "key_not_bound",
            ) from None


def key_bindings(text: str) -> KeyBindings:
    """The bindings of keys, parsed from `id=cats/dogs,other=birds,admin=*`.

    The characters `,`, `=`, `/`, `%` and a name that is `*` are percent-encoded. Raises ValueError.
    """
    scopes: dict[str, Scope | None] = {}
    for binding in text.split(",") if text else ():
        id, _, names = binding.partition("=")
        collections = [unquote(name) for name in names.split("/")]
        if not (id and all(collections)) or id in scopes or binding != "".join(binding.split()):
            raise ValueError(
                "must be a list such as key-id=cats/dogs,other-id=birds,admin-id=*, each id once"
            )
        scopes[id] = None if names == ALL_COLLECTIONS else Scope(frozenset(collections))
    return KeyBindings(scopes)


class ScopedStore:
    """An image store limited to a scope; `head` reports other objects as missing."""

    def __init__(self, store: ImageStore, scope: Scope) -> None:
        self._store = store
        self._scope = scope

    @property
    def bucket(self) -> str:
        return self._store.bucket

    def head(self, ref: ImageRef) -> ObjectState | None:
        return self._store.head(ref) if self._scope.holds(ref) else None

    def read(self, ref: ImageRef, state: ObjectState, first: int | None = None) -> bytes:
        self._scope.require(ref)
        return self._store.read(ref, state, first)

    def list_images(self, after: str = "") -> Iterator[tuple[ImageRef, ObjectState]]:
        listed = self._store.list_images(after)
        return ((ref, state) for ref, state in listed if self._scope.holds(ref))

    def url(self, ref: ImageRef) -> str:
        self._scope.require(ref)
        return self._store.url(ref)


class ScopedChanges:
    """Uploads and deletions limited to a scope."""

    def __init__(self, changes: BucketChanges, scope: Scope) -> None:
        self._changes = changes
        self._scope = scope

    def upload_form(
        self, ref: ImageRef, content_type: str, metadata: Mapping[str, str], now: datetime
    ) -> UploadForm:
        self._scope.require(ref)
        return self._changes.upload_form(ref, content_type, metadata, now)

    def put(
        self, ref: ImageRef, data: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        self._scope.require(ref)
        self._changes.put(ref, data, content_type, metadata)

    def delete(self, ref: ImageRef) -> None:
        if not self._scope.holds(ref):
            raise image_not_found(ref.id)
        self._changes.delete(ref)


class ScopedIndex:
    """A vector index limited to a scope; other entries are reported as missing."""

    def __init__(self, index: VectorIndex, scope: Scope) -> None:
        self._index = index
        self._scope = scope

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        found = self._index.get(ids)
        return {id: stored for id, stored in found.items() if self._holds(stored)}

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        return self._index.embeddings(list(self.get(ids)))

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        """Omits a hash if the image that was indexed last is outside the scope."""
        found = self._index.by_sha256(hashes, decoder)
        return {
            sha256: scanned
            for sha256, scanned in found.items()
            if self._scope.holds(scanned.document.ref)
        }

    def write(self, writes: Sequence[Write]) -> list[WriteResult]:
        for write in writes:
            self._scope.require(write.ref)
        return self._index.write(writes)

    def search(self, query: VectorQuery) -> list[Hit]:
        return self._index.search(self._narrowed(query))

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        return self._index.search_many([self._narrowed(query) for query in queries])

    def list_documents(
        self, selection: Selection = ALL_DOCUMENTS, *, after: str | None = None, limit: int
    ) -> list[Document]:
        return self._index.list_documents(self._within(selection), after=after, limit=limit)

    def list_by_time(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        newest_first: bool,
        after: TimePosition | None = None,
        limit: int,
    ) -> list[Document]:
        return self._index.list_by_time(
            self._within(selection), newest_first=newest_first, after=after, limit=limit
        )

    def count(self, selection: Selection = ALL_DOCUMENTS) -> int:
        return self._index.count(self._within(selection))

    def facets(self, selection: Selection = ALL_DOCUMENTS) -> Facets:
        return self._index.facets(self._within(selection))

    def collections(
        self,
        selection: Selection = ALL_DOCUMENTS,
        *,
        depth: int,
        after: str | None = None,
        limit: int,
    ) -> list[CollectionCount]:
        return self._index.collections(
            self._within(selection), depth=depth, after=after, limit=limit
        )

    def scan(
        self, selection: Selection = ALL_DOCUMENTS, *, embeddings: bool = False
    ) -> Iterator[Scanned]:
        return self._index.scan(self._within(selection), embeddings=embeddings)

    def linked(self, *, collection: str | None = None) -> Iterator[Linked]:
        for each in self._scope.visible(collection):
            yield from self._index.linked(collection=each)

    def list_entries(self, *, after: str = "") -> Iterator[IndexEntry]:
        return (
            each for each in self._index.list_entries(after=after) if self._scope.holds(each.ref)
        )

    def keys_of_ids(self, prefix: str) -> list[str]:
        keys = self._index.keys_of_ids(prefix)
        return [key for key in keys if self._scope.holds(ImageRef("", key))]

    @property
    def visibility_delay(self) -> timedelta:
        return self._index.visibility_delay

    def health(self) -> IndexHealth:
        return replace(
            self._index.health(),
            images=self.count(Selection(Status.INDEXED)),
            rejected=self.count(Selection(Status.REJECTED)),
        )

    def drop(self) -> None:
        raise NotAllowed(
            "this key may not drop the index", "use a key that is not bound to collections"
        )

    def _holds(self, stored: Stored) -> bool:
        return stored.document is not None and self._scope.holds(stored.document.ref)

    def _narrowed(self, query: VectorQuery) -> VectorQuery:
        return replace(query, filter=self._scope.narrowed(query.filter))

    def _within(self, selection: Selection) -> Selection:
        return replace(selection, filter=self._scope.narrowed(selection.filter))
