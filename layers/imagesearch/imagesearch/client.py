"""A client of the HTTP API, on one machine or deployed: needs httpx, and knows no other module.

What the API answers, as types for its client; the OpenAPI document describes each field.

Requests to the API: sent again while it is busy or away, and its refusals raised as errors.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, cast

import httpx


class Took(TypedDict):
    """Milliseconds."""

    embed: float
    search: float
    total: float


class Hit(TypedDict):
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
    """Hits, nearest first."""

    search_id: str
    model: str
    took_ms: Took
    hits: list[Hit]
    cursor: str | None


class Image(TypedDict):
    """An image's record; the fields in pixels only where it could be read."""

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
    url: str
    fields: dict[str, str]


class Upload(TypedDict):
    """Where to send the bytes; the image is found under `id` once it is indexed."""

    id: str
    key: str
    upload: UploadForm
    expires_at: str


class ScoredLabel(TypedDict):
    label: str
    score: float
    similarity: float | None


class Classified(TypedDict):
    """Labels, best first, and the images that voted where none were given."""

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
    kind: Literal["exact", "near"]
    confidence: float
    score: float
    distance: int | None
    image: Image


class DuplicateCheck(TypedDict):
    duplicate: bool
    matches: list[DuplicateMatch]


class Health(TypedDict):
    status: str
    images: int
    rejected: int
    model: str
    index: str
    cluster: str
    lag: NotRequired[dict[str, int] | None]


RETRIED = frozenset({429, 502, 503, 504})
MAX_WAIT_SECONDS = 30.0


class ApiError(Exception):
    """The API refused or failed: `status` is HTTP's, the rest is what its answer says."""

    def __init__(self, status: int, code: str, message: str, hint: str) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.status, self.code, self.message, self.hint = status, code, message, hint


def send(client: httpx.Client, retries: int, method: str, path: str, **request: Any) -> Any:
    """The answer's JSON; raises ApiError, httpx.HTTPError."""
    for left in range(retries, -1, -1):
        answer = client.request(method, path, **request)
        if answer.status_code not in RETRIED or not left:
            break
        time.sleep(_wait(answer))
    return checked(answer)


def checked(answer: httpx.Response) -> Any:
    """The answer's JSON, None where it has none; raises ApiError."""
    if not answer.is_success:
        raise _error(answer)
    return answer.json() if answer.content else None


def _error(answer: httpx.Response) -> ApiError:
    try:
        told = answer.json()["error"]
        return ApiError(answer.status_code, told["code"], told["message"], told["hint"])
    except (ValueError, KeyError, TypeError):
        said = f"the server answered {answer.status_code} {answer.reason_phrase}"
        return ApiError(answer.status_code, "no_api", said, "check that the address is the API's")


def _wait(answer: httpx.Response) -> float:
    told = answer.headers.get("retry-after", "")
    return min(float(told), MAX_WAIT_SECONDS) if told.isdigit() else 1.0


__all__ = ["ApiError", "ImageSearch", "Picture"]
Picture: TypeAlias = bytes | Path


class ImageSearch:
    """Calls the API at `url`, with or without `/v1` at its end; raises ApiError, httpx.HTTPError.

    What is refused for being too much at once, or fails for now, is sent again `retries` times.
    `options` are the fields of a request by the names that the API gives them.
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
        # Uploads go elsewhere: the key is none of the bucket's business.
        self._bucket = httpx.Client(timeout=timeout, transport=transport)
        self._retries = retries

    def close(self) -> None:
        self._api.close()
        self._bucket.close()

    def __enter__(self) -> ImageSearch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, query: str | Picture | Mapping[str, Any], **options: Any) -> Found:
        """Up to `limit` hits for words, for an image, or for a query as the API has it."""
        return cast(Found, self._send("POST", "search", {"query": _query(query), **options}))

    def search_many(self, searches: Sequence[Mapping[str, Any]]) -> list[Any]:
        """An answer or an error for each of up to 32 searches, as the API has them."""
        return list(self._send("POST", "search/batch", {"searches": searches})["results"])

    def similar(self, id: str, **options: Any) -> Found:
        return cast(Found, self._get(f"images/{id}/similar", options))

    def images(self, **options: Any) -> Iterator[Image]:
        """Every record, page by page."""
        return self._pages("images", "images", options)

    def image(self, id: str) -> Image:
        return cast(Image, self._get(f"images/{id}"))

    def upload(self, file: Path, content_type: str, **options: Any) -> Upload:
        """Put a file into the bucket; it is found once it is indexed."""
        body = {"name": file.name, "content_type": content_type, **options}
        begun = cast(Upload, self._send("POST", "images", body))
        form = begun["upload"]
        address = self._api.base_url.join(form["url"])
        with file.open("rb") as data:
            checked(self._bucket.post(address, data=form["fields"], files={"file": data}))
        return begun

    def delete(self, id: str) -> None:
        self._send("DELETE", f"images/{id}")

    def duplicates(self, **options: Any) -> Iterator[DuplicateGroup]:
        """Every group of exact and near duplicates, page by page."""
        return self._pages("duplicates", "groups", options)

    def check_duplicate(self, picture: Picture | str) -> DuplicateCheck:
        """Whether an image, or the stored one of this id, is there already, perhaps edited."""
        return cast(DuplicateCheck, self._send("POST", "duplicates/check", _subject(picture)))

    def classify(self, picture: Picture | str, **options: Any) -> Classified:
        """How well labels fit an image, or the stored one of this id."""
        return cast(Classified, self._send("POST", "classify", _subject(picture) | options))

    def put_labels(self, name: str, labels: Sequence[str]) -> None:
        """Make these the labels of a set."""
        self._send("PUT", f"labelsets/{name}", {"labels": labels})

    def add_labels(self, name: str, labels: Sequence[str]) -> None:
        self._send("POST", f"labelsets/{name}/labels", {"labels": labels})

    def feedback(self, search_id: str, id: str, relevant: bool) -> None:
        body = {"search_id": search_id, "id": id, "relevant": relevant}
        self._send("POST", "feedback", body)

    def health(self) -> Health:
        return cast(Health, self._get("health"))

    def _pages(self, path: str, name: str, options: Mapping[str, Any]) -> Iterator[Any]:
        cursor = None
        while True:
            page = self._get(path, {**options, "cursor": cursor})
            yield from page[name]
            if not (cursor := page["cursor"]):
                return

    def _get(self, path: str, options: Mapping[str, Any] | None = None) -> Any:
        given = {name: value for name, value in (options or {}).items() if value is not None}
        return send(self._api, self._retries, "GET", path, params=given)

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
