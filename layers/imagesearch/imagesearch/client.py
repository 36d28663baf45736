"""Client of the HTTP API, local or deployed: response types, retries and errors.

It needs httpx and no other module of the package. The OpenAPI document describes each field.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, cast

import httpx

__all__ = ["ApiError", "ImageSearch", "Picture"]

RETRIED = frozenset({429, 502, 503, 504})
MAX_WAIT_SECONDS = 30.0
# Image bytes, or the path of an image file.
Picture: TypeAlias = bytes | Path


class Took(TypedDict):
    """Durations in milliseconds."""

    embed: float
    search: float
    total: float


class Hit(TypedDict):
    """An image found by a search, with its cosine similarity as `score`."""

    id: str
    key: str
    score: float
    relevance: float | None
    url: str
    thumbnail_url: str | None
    width: int | None
    height: int | None
    content_type: str | None
    taken_at: str | None
    latitude: NotRequired[float | None]
    longitude: NotRequired[float | None]
    truncated: NotRequired[bool]
    metadata: dict[str, str]


class Found(TypedDict):
    """The response of a search: hits, nearest first."""

    search_id: str
    model: str
    adapter: str | None
    took_ms: Took
    hits: list[Hit]
    cursor: str | None
    notice: NotRequired[str]


class Image(TypedDict):
    """The record of an image; it has dimensions only if the image could be decoded."""

    id: str
    key: str
    status: Literal["indexed", "rejected", "pending"]
    reason: NotRequired[str]
    url: str
    thumbnail_url: str | None
    collection: str | None
    size: int
    content_type: NotRequired[str | None]
    width: NotRequired[int | None]
    height: NotRequired[int | None]
    taken_at: NotRequired[str | None]
    truncated: NotRequired[bool]
    metadata: NotRequired[dict[str, str]]
    last_modified: str
    indexed_at: NotRequired[str]
    model: NotRequired[str]


class UploadForm(TypedDict):
    """A presigned POST."""

    url: str
    fields: dict[str, str]


class Upload(TypedDict):
    """The form for the bytes; the image is available under `id` once it is indexed."""

    id: str
    key: str
    upload: UploadForm
    expires_at: str


class ScoredLabel(TypedDict):
    """A label with its score; `similarity` is null for labels of a vote."""

    label: str
    score: float
    similarity: float | None


class Classified(TypedDict):
    """Labels, best first, and the images that voted if no labels were given."""

    model: str
    took_ms: Took
    labels: list[ScoredLabel]
    compared: int
    evidence: list[Hit]


class DuplicateGroup(TypedDict):
    """Images that show the same picture, the suggested original first."""

    kind: Literal["exact", "near"]
    size: int
    original: str
    images: list[Image]


class DuplicateMatch(TypedDict):
    """A stored image that shows the same picture; `distance` is in bits of the perceptual hash."""

    kind: Literal["exact", "near"]
    confidence: float
    score: float
    distance: int | None
    image: Image


class DuplicateCheck(TypedDict):
    """The duplicates of one image, surest first."""

    duplicate: bool
    matches: list[DuplicateMatch]


class Health(TypedDict):
    """The state of the index; `lag` counts queued changes."""

    status: str
    images: int
    rejected: int
    model: str
    index: str
    cluster: str
    lag: NotRequired[dict[str, int] | None]


class ApiError(Exception):
    """An error response: its HTTP status, and the code, message and hint of its body."""

    def __init__(self, status: int, code: str, message: str, hint: str) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.status, self.code, self.message, self.hint = status, code, message, hint


def send(client: httpx.Client, retries: int, method: str, path: str, **request: Any) -> Any:
    """Send a request, with retries, and return the JSON of the response.

    Raises ApiError, httpx.HTTPError.
    """
    for left in range(retries, -1, -1):
        response = client.request(method, path, **request)
        if response.status_code not in RETRIED or not left:
            break
        time.sleep(_retry_after(response))
    return checked(response)


def checked(response: httpx.Response) -> Any:
    """The JSON of a response, or None without a body. Raises ApiError."""
    if not response.is_success:
        raise _error(response)
    return response.json() if response.content else None


def _error(response: httpx.Response) -> ApiError:
    status = response.status_code
    try:
        error = response.json()["error"]
        return ApiError(status, error["code"], error["message"], error["hint"])
    except (ValueError, KeyError, TypeError):
        message = f"the server responded with {status} {response.reason_phrase}"
        return ApiError(status, "no_api", message, "check that the address is that of the API")


def _retry_after(response: httpx.Response) -> float:
    """Seconds until the next attempt."""
    header = response.headers.get("retry-after", "")
    return min(float(header), MAX_WAIT_SECONDS) if header.isdigit() else 1.0


class ImageSearch:
    """A client of the API at `url`, with or without `/v1` at its end.

    Throttled requests and temporary failures (429, 502, 503, 504) are retried `retries` times.
    `options` are fields of the request, by their names in the API. Every method raises ApiError and
    httpx.HTTPError.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        *,
        retries: int = 3,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._api = httpx.Client(
            base_url=url.rstrip("/").removesuffix("/v1") + "/v1/",
            headers={"x-api-key": api_key} if api_key else {},
            timeout=timeout,
            transport=transport,
        )
        # Uploads go to the bucket, which must not receive the API key.
        self._bucket = httpx.Client(timeout=timeout, transport=transport)
        self._retries = retries

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._bucket.close()

    def __enter__(self) -> ImageSearch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, query: str | Picture | Mapping[str, Any], **options: Any) -> Found:
        """Up to `limit` hits for a text, an image, or a query in the API's form."""
        return cast(Found, self._send("POST", "search", {"query": _query(query), **options}))

    def search_many(self, searches: Sequence[Mapping[str, Any]]) -> list[Any]:
        """A response or an error for each of up to 32 searches in the API's form."""
        return list(self._send("POST", "search/batch", {"searches": searches})["results"])

    def similar(self, id: str, **options: Any) -> Found:
        """Images similar to a stored one."""
        return cast(Found, self._get(f"images/{id}/similar", options))

    def images(self, **options: Any) -> Iterator[Image]:
        """All records, fetched page by page."""
        return self._pages("images", "images", options)

    def image(self, id: str) -> Image:
        """The record of one image."""
        return cast(Image, self._get(f"images/{id}"))

    def upload(self, file: Path, content_type: str, **options: Any) -> Upload:
        """Upload a file to the bucket; it is searchable once it is indexed."""
        body = {"name": file.name, "content_type": content_type, **options}
        upload = cast(Upload, self._send("POST", "images", body))
        form = upload["upload"]
        address = self._api.base_url.join(form["url"])
        with file.open("rb") as data:
            checked(self._bucket.post(address, data=form["fields"], files={"file": data}))
        return upload

    def delete(self, id: str) -> None:
        """Delete an image from the bucket and the index."""
        self._send("DELETE", f"images/{id}")

    def duplicates(self, **options: Any) -> Iterator[DuplicateGroup]:
        """All groups of exact and near duplicates, fetched page by page."""
        return self._pages("duplicates", "groups", options)

    def check_duplicate(self, picture: Picture | str) -> DuplicateCheck:
        """The stored duplicates of an image, or of the stored image with this id."""
        return cast(DuplicateCheck, self._send("POST", "duplicates/check", _subject(picture)))

    def classify(self, picture: Picture | str, **options: Any) -> Classified:
        """Labels ranked for an image, or for the stored image with this id."""
        return cast(Classified, self._send("POST", "classify", _subject(picture) | options))

    def put_labels(self, name: str, labels: Sequence[str]) -> None:
        """Create a label set, or replace its labels."""
        self._send("PUT", f"labelsets/{name}", {"labels": labels})

    def add_labels(self, name: str, labels: Sequence[str]) -> None:
        """Add labels to a set."""
        self._send("POST", f"labelsets/{name}/labels", {"labels": labels})

    def feedback(self, search_id: str, id: str, relevant: bool) -> None:
        """Record that a hit of a search is relevant, or not."""
        body = {"search_id": search_id, "id": id, "relevant": relevant}
        self._send("POST", "feedback", body)

    def health(self) -> Health:
        """The state of the index and of the queue."""
        return cast(Health, self._get("health"))

    def _pages(self, path: str, name: str, options: Mapping[str, Any]) -> Iterator[Any]:
        cursor = None
        while True:
            page = self._get(path, {**options, "cursor": cursor})
            yield from page[name]
            if not (cursor := page["cursor"]):
                return

    def _get(self, path: str, options: Mapping[str, Any] | None = None) -> Any:
        params = {name: value for name, value in (options or {}).items() if value is not None}
        return send(self._api, self._retries, "GET", path, params=params)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return send(self._api, self._retries, method, path, json=body)


def _query(query: str | Picture | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(query, str):
        return {"text": query}
    return query if isinstance(query, Mapping) else {"image": _base64(query)}


def _subject(picture: Picture | str) -> dict[str, Any]:
    return {"id": picture} if isinstance(picture, str) else {"image": _base64(picture)}


def _base64(picture: Picture) -> str:
    data = picture.read_bytes() if isinstance(picture, Path) else picture
    return base64.b64encode(data).decode()
