"""The index implementations under contract, including the fake, and small test data."""

import math
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagesearch.adapters.opensearch.client import OpenSearchClient
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.images import Document, Embedding, ImageRef, Status
from imagesearch.domain.ports import Put, VectorIndex, Version, Write, WriteStatus
from imagesearch.domain.queries import Hit, Selection, TimePosition, VectorQuery
from tests.support.fake_index import FakeIndex

DIMENSION = 4
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class Subject:
    """An index under test; `settle` makes all writes visible to searches."""

    index: VectorIndex
    settle: Callable[[], object]

    def store(self, *writes: Write) -> None:
        results = self.index.write(writes)
        assert [result.status for result in results] == [WriteStatus.WRITTEN] * len(writes), results
        self.settle()

    def version(self, ref: ImageRef) -> Version:
        return self.index.get([ref.id])[ref.id].version

    def document(self, ref: ImageRef) -> Document | None:
        found = self.index.get([ref.id]).get(ref.id)
        return found.document if found else None

    def embedding(self, ref: ImageRef) -> Embedding:
        return self.index.embeddings([ref.id])[ref.id]

    def nearest(self, embedding: Embedding, limit: int = 10, **more: Any) -> list[Hit]:
        return self.index.search(VectorQuery(embedding, limit, **more))

    def found_keys(self, embedding: Embedding, limit: int = 10, **more: Any) -> list[str]:
        return [hit.document.ref.key for hit in self.nearest(embedding, limit, **more)]

    def listed_keys(
        self, limit: int = 100, *, after: str | None = None, **selection: Any
    ) -> list[str]:
        documents = self.index.list_documents(Selection(**selection), after=after, limit=limit)
        return [document.ref.key for document in documents]

    def keys_by_time(
        self,
        limit: int = 100,
        *,
        newest_first: bool = False,
        after: TimePosition | None = None,
        **selection: Any,
    ) -> list[str]:
        documents = self.index.list_by_time(
            Selection(**selection), newest_first=newest_first, after=after, limit=limit
        )
        return [document.ref.key for document in documents]


@pytest.fixture(scope="session")
def raw_opensearch(opensearch_url: str) -> Iterator[Any]:
    client = OpenSearchClient(opensearch_url)
    yield client.raw
    client.close()


@pytest.fixture
def new_sqlite(tmp_path: Path) -> Iterator[Callable[[], Subject]]:
    with ExitStack() as stack:

        def make() -> Subject:
            index = SqliteIndex(tmp_path / f"{uuid.uuid4().hex}.db", "images-test", DIMENSION)
            stack.callback(index.close)
            return Subject(index, settle=lambda: None)

        yield make


@pytest.fixture
def index_name(raw_opensearch: Any) -> Iterator[str]:
    """Name prefix of the indexes of a test, which are deleted afterwards."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    raw_opensearch.indices.delete(index=f"{name}*", ignore=404)
    raw_opensearch.indices.delete_index_template(name=f"{name}*", ignore=404)


@pytest.fixture
def new_opensearch(
    opensearch_url: str, raw_opensearch: Any, index_name: str
) -> Iterator[Callable[[], Subject]]:
    with ExitStack() as stack:

        def make() -> Subject:
            name = f"{index_name}-{uuid.uuid4().hex}"
            index = OpenSearchIndex(opensearch_url, name, DIMENSION, model="test")
            stack.callback(index.close)
            return Subject(index, settle=lambda: raw_opensearch.indices.refresh(index=name))

        yield make


@pytest.fixture
def new_fake() -> Callable[[], Subject]:
    return lambda: Subject(FakeIndex(dimension=DIMENSION), settle=lambda: None)


@pytest.fixture(params=["fake", "sqlite", "opensearch"])
def subject(request: pytest.FixtureRequest) -> Subject:
    make: Callable[[], Subject] = request.getfixturevalue(f"new_{request.param}")
    return make()


@pytest.fixture
def document() -> Callable[..., Document]:
    """Creates the document of a key; keyword arguments replace fields."""

    def make(key: str = "a.jpg", **changes: Any) -> Document:
        made = Document(
            ref=ImageRef("bucket", key),
            status=Status.INDEXED,
            etag="e1",
            last_modified=NOON,
            size=1234,
            indexed_at=NOON,
            model="test",
            decoder="decoder 1",
        )
        return replace(made, **changes)

    return make


@pytest.fixture
def unit_vector() -> Callable[[float], Embedding]:
    """A unit vector at an angle in degrees; the cosine of two is that of the angle between them."""

    def make(degrees: float) -> Embedding:
        radians = math.radians(degrees)
        return np.array([math.cos(radians), math.sin(radians), 0, 0], np.float32)

    return make


@pytest.fixture
def put(
    document: Callable[..., Document], unit_vector: Callable[[float], Embedding]
) -> Callable[..., Put]:
    """A first write of an image whose embedding has an angle in degrees."""

    def make(key: str = "a.jpg", degrees: float = 0.0, **changes: Any) -> Put:
        return Put(document(key, **changes), unit_vector(degrees), None)

    return make
