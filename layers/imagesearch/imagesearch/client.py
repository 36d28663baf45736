"""A client of the HTTP API, on one machine or deployed: needs httpx, and knows no other module."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import httpx

from imagesearch.api_requests import ApiError, checked, send
from imagesearch.client_answers import (
    Classified,
    DuplicateCheck,
    DuplicateGroup,
    Found,
    Health,
    Image,
    Upload,
)

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
