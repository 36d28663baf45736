"""Searches of the commands: by this process, by the running server of the folder, or by an API."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from local.errors import UsageError
from local.options import image_bytes
from local.workspace import Workspace

if TYPE_CHECKING:
    from datetime import datetime

    from imagesearch.domain.filters import Filter
    from imagesearch.domain.images import Document
    from imagesearch.domain.ports import VectorIndex
    from imagesearch.domain.queries import Hit, LeafQuery, Search

Row: TypeAlias = dict[str, Any]
AVOIDED = -0.5
# Hits below it are weak. The page folds them: MIN_RELEVANCE in functions/search/page/query.js.
MIN_RELEVANCE = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """One of a text, an image file and the id of an indexed image, with its weight."""

    text: str | None = None
    image: Path | None = None
    id: str | None = None
    weight: float = 1.0

    def as_query(self) -> LeafQuery:
        """The query for the use case. Raises UsageError for an unreadable image file."""
        from imagesearch.domain.queries import ImageQuery, StoredQuery, TextQuery

        if self.image:
            return ImageQuery(image_bytes(self.image))
        return TextQuery(self.text) if self.text is not None else StoredQuery(self.id or "")

    def as_request(self) -> dict[str, Any]:
        """The query in the API's form. Raises UsageError for an unreadable image file."""
        if self.image:
            return {"image": base64.b64encode(image_bytes(self.image)).decode()}
        return {"text": self.text} if self.text is not None else {"id": self.id}


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The parts of a query, the limits on the hits, and a filter in the API's form.

    `weak` includes hits below MIN_RELEVANCE; a `min_relevance` is the limit in place of it.
    """

    parts: tuple[Part, ...]
    limit: int = 10
    collection: str | None = None
    min_relevance: float | None = None
    filter: dict[str, Any] = field(default_factory=dict)
    weak: bool = False

    @property
    def _is_mixed(self) -> bool:
        return len(self.parts) > 1 or self.parts[0].weight != 1

    def as_search(self) -> Search:
        """The search for the use case. Raises UsageError for an unreadable image file."""
        from imagesearch.domain.queries import MixedQuery, Search, Term

        terms = tuple(Term(part.as_query(), part.weight) for part in self.parts)
        return Search(
            MixedQuery(terms) if self._is_mixed else terms[0].query,
            self.limit,
            collection=self.collection or None,
            filter=domain_filter(self.filter),
            min_relevance=self.min_relevance,
        )

    def as_request(self) -> dict[str, Any]:
        """The body of `POST /v1/search`. Raises UsageError for an unreadable image file."""
        parts = [part.as_request() for part in self.parts]
        weighted = [
            query | {"weight": part.weight} for query, part in zip(parts, self.parts, strict=True)
        ]
        return {
            "query": {"terms": weighted} if self._is_mixed else parts[0],
            "limit": self.limit,
            "collection": self.collection,
            "min_relevance": self.min_relevance,
            "filter": self.filter or None,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """Hits in the API's shape, with file paths instead of URLs if the files are on this machine.

    `excluded` is the number of weak hits that are not among them.
    """

    hits: list[Row]
    place: str
    notice: str | None = None
    excluded: int = 0

    def without_weak(self) -> Found:
        """Only the hits of at least MIN_RELEVANCE; all if the model is not calibrated."""
        relevances = [(hit, hit["relevance"]) for hit in self.hits]
        hits = [hit for hit, each in relevances if each is None or each >= MIN_RELEVANCE]
        return replace(self, hits=hits, excluded=len(self.hits) - len(hits))


def domain_filter(conditions: dict[str, Any]) -> Filter | None:
    """The filter of the domain for one in the API's form. Raises UsageError."""
    if not conditions:
        return None
    from pydantic import TypeAdapter, ValidationError

    from functions.search.routes.search_filters import PostedFilter, SearchFilter

    try:
        posted: PostedFilter = TypeAdapter(SearchFilter).validate_python(conditions)
    except ValidationError as error:
        raise UsageError(f"the filter is invalid: {error.errors()[0]['msg']}") from error
    return posted.filter()


def search_workspace(workspace: Workspace, model: str | None, options: SearchOptions) -> Found:
    """The hits of the running server of a folder, else of this process.

    A model that is named is used by this process. Raises UsageError, and the errors of the search
    use case.
    """
    running = None if model else search_running_server(workspace, options)
    return running or search_folder(workspace, model, options)


def search_folder(workspace: Workspace, model: str | None, options: SearchOptions) -> Found:
    """The hits of this process; `model` is by default that of the index.

    Raises UsageError, and the errors of the search use case.
    """
    from imagesearch import bootstrap
    from local.lambda_runtime import settings_of
    from local.models.choice import model_in_use
    from local.models.installed import model_folder

    workspace.must_be_indexed()
    search = options.as_search()
    data_dir = workspace.directory.parent
    folder = model_folder(model_in_use(model, workspace), data_dir)
    answer = bootstrap.searcher(settings_of(workspace, folder)).search(search)
    hits = [_hit_row(hit, workspace) for hit in answer.hits]
    return Found(hits, str(workspace.folder), answer.notice)


def search_running_server(workspace: Workspace, options: SearchOptions) -> Found | None:
    """The hits of the server of the folder, which has its model loaded.

    None if there is no server, or if it does not answer: this process then searches itself.
    """
    from local.running_server import running_server

    if not (server := running_server(workspace.directory)):
        return None
    with suppress(UsageError):
        found = search_endpoint(server, options)
        hits = [_of_file(hit, workspace) for hit in found.hits]
        return Found(hits, str(workspace.folder), found.notice)
    return None


def search_endpoint(endpoint: str, options: SearchOptions) -> Found:
    """The hits as a deployed API returns them. Raises UsageError."""
    from local.endpoint import absolute, api_at

    request = {name: value for name, value in options.as_request().items() if value is not None}
    with api_at(endpoint) as api:
        response: Row = dict(api.search(request.pop("query"), **request))
    hits = [absolute(dict(hit), endpoint) for hit in response["hits"]]
    return Found(hits, endpoint, response.get("notice"))


def documents(
    workspace: Workspace, model: str | None, status: str | None, filter: dict[str, Any], order: str
) -> Iterator[Document]:
    """The records of a folder's index in the API's `order`. Raises UsageError, Unavailable."""
    from imagesearch.domain.images import Status
    from imagesearch.domain.queries import Selection, TimePosition

    index = _index(workspace, model)
    selection = Selection(Status(status) if status else None, None, domain_filter(filter))
    page: list[Document] = []
    read: Callable[[], list[Document]]
    if order == "key":

        def read() -> list[Document]:
            after = page[-1].ref.key if page else None
            return index.list_documents(selection, after=after, limit=_PAGE)

    else:

        def read() -> list[Document]:
            after = TimePosition(page[-1].taken_at, page[-1].ref.key) if page else None
            newest = order.startswith("-")
            return index.list_by_time(selection, newest_first=newest, after=after, limit=_PAGE)

    while page := read():
        yield from page


def record(workspace: Workspace, model: str | None, named: str) -> Document:
    """The record of an image by its file, key or id. Raises UsageError."""
    id = stored_id(workspace, named) or named
    stored = _index(workspace, model).get([id]).get(id)
    if stored and stored.document:
        return stored.document
    raise UsageError(
        f"{workspace.folder} has no image {named!r} in its index: run `imagesearch list`"
    )


def stored_id(workspace: Workspace, named: str) -> str | None:
    """The id of a file of the folder by its path or key; None for others."""
    from imagesearch.adapters.filesystem.spelling import resolved
    from imagesearch.domain.images import ImageRef

    for path in (Path(named).expanduser(), workspace.folder / named):
        with suppress(ValueError, OSError):
            if path.is_file():
                key = resolved(path).relative_to(workspace.folder).as_posix()
                return ImageRef(workspace.folder.as_uri(), key).id
    return None


def document_row(document: Document, workspace: Workspace) -> Row:
    """A record in the API's shape, with file paths instead of URLs."""
    row = {
        "id": document.id,
        "key": document.ref.key,
        "path": str(workspace.folder / document.ref.key),
        "status": document.status.value,
        "reason": document.reason,
        "size": document.size,
        "width": document.width,
        "height": document.height,
        "content_type": document.content_type,
        "taken_at": _time(document.taken_at),
        "metadata": dict(document.metadata),
        "last_modified": _time(document.last_modified),
        "indexed_at": _time(document.indexed_at),
        "model": document.model,
        "thumbnail_path": _thumbnail(document.thumbnail, workspace),
    }
    places = {"latitude": document.latitude, "longitude": document.longitude}
    return row | {name: value for name, value in places.items() if value is not None}


_PAGE = 1_000
_URLS = ("url", "thumbnail_url", "large_thumbnail_url")


def _index(workspace: Workspace, model: str | None) -> VectorIndex:
    from imagesearch import bootstrap
    from local.lambda_runtime import settings_of
    from local.models.choice import model_in_use
    from local.models.installed import model_folder

    workspace.must_be_indexed()
    folder = model_folder(model_in_use(model, workspace), workspace.directory.parent)
    return bootstrap.vector_index(settings_of(workspace, folder))


def _of_file(hit: Row, workspace: Workspace) -> Row:
    """A hit of the folder's server with paths in place of the URLs."""
    from imagesearch.domain.storage_keys import THUMBNAILS

    row = {name: value for name, value in hit.items() if name not in _URLS}
    _, slash, name = (hit.get("thumbnail_url") or "").partition(f"/{THUMBNAILS}")
    thumbnail = _thumbnail(THUMBNAILS + name if slash else None, workspace)
    return row | {"path": str(workspace.folder / hit["key"]), "thumbnail_path": thumbnail}


def _hit_row(hit: Hit, workspace: Workspace) -> Row:
    row = document_row(hit.document, workspace)
    names = ("id", "key", "path", "width", "height", "content_type", "taken_at", "metadata")
    scores = {
        "score": max(-1.0, min(1.0, round(hit.score, 6))),
        "relevance": hit.relevance if hit.relevance is None else round(hit.relevance, 4),
    }
    return scores | {name: row[name] for name in (*names, "thumbnail_path")}


def _thumbnail(key: str | None, workspace: Workspace) -> str | None:
    return str(workspace.derived / key) if key else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
