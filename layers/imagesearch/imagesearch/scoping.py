"""What the holder of an API key may see and change: the collections that the key is bound to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from imagesearch.bucket_ports import BucketChanges
from imagesearch.domain.errors import NotAllowed, NotFound
from imagesearch.domain.filters import AllOf, Filter, OneOf
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.ports import ImageStore
from imagesearch.upload_forms import UploadForm


@dataclass(frozen=True, slots=True)
class Scope:
    """The collections that may be seen. What lies in no collection is outside of every scope."""

    collections: frozenset[str]

    def holds(self, ref: ImageRef) -> bool:
        return ref.collection in self.collections

    def require(self, ref: ImageRef) -> None:
        """Raises NotAllowed for what lies outside."""
        if not self.holds(ref):
            told = ", ".join(sorted(self.collections))
            where = f"the collection {ref.collection!r}" if ref.collection else "no collection"
            raise NotAllowed(
                f"this key may change nothing in {where}",
                f"name a collection that it is bound to: {told}",
                "collection_not_allowed",
            )

    def narrowed(self, filter: Filter | None) -> Filter:
        """The filter, and that the image is within."""
        within = OneOf("collection", tuple(sorted(self.collections)))
        return AllOf((within, filter)) if filter else within


def key_bindings(text: str) -> dict[str, Scope]:
    """The scope of each key that is bound, by the key's id: `id=cats/dogs,other=birds`.

    A collection's name is percent-encoded where it holds one of these signs. Raises ValueError.
    """
    found: dict[str, Scope] = {}
    for part in filter(None, text.split(",")):
        id, equals, names = part.partition("=")
        collections = frozenset(unquote(name) for name in names.split("/") if name)
        if not (id and equals and collections) or id in found:
            raise ValueError("is a list such as key-id=cats/dogs,other-id=birds, each id once")
        found[id] = Scope(collections)
    return found


class ScopedStore:
    """An image store in which nothing is there but what the scope holds."""

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

    def list_images(self) -> Iterator[tuple[ImageRef, ObjectState]]:
        return ((ref, state) for ref, state in self._store.list_images() if self._scope.holds(ref))

    def url(self, ref: ImageRef) -> str:
        self._scope.require(ref)
        return self._store.url(ref)


class ScopedChanges:
    """Changes of the bucket within the scope."""

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
            raise NotFound(f"there is no image with the id {ref.id!r}", "take an id from a hit")
        self._changes.delete(ref)
