"""The blocking client."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import httpx

from imagesearch.client import calls
from imagesearch.client.calls import Call, Picture, Query, segment
from imagesearch.client.errors import checked, retry_wait
from imagesearch.client.responses import (
    Classified,
    Collection,
    DuplicateCheck,
    DuplicateGroup,
    Facets,
    Failure,
    Found,
    Health,
    Hit,
    Image,
    LabelSet,
    LearnedLabels,
    Upload,
)


class ImageSearch:
    """A client of the API at `url`, with or without `/v1` at its end.

    Throttled requests and temporary failures (429, 502, 503, 504) are retried `retries` times,
    after the Retry-After of the response or with exponential backoff. `options` are fields of the
    request, by their names in the API. Every method raises ApiError and httpx.HTTPError.
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

    def search(
        self, query: Query | None = None, *, image: Picture | str | None = None, **options: Any
    ) -> Found:
        """Up to `limit` hits for a text, an image, or a query in the API's form.

        A string is a text, and `image` is an image: bytes or a path. Both together are a mixture.
        Raises ValueError for a text that is the path of an image file.
        """
        return cast(Found, self._send(calls.search(query, image, options)))

    def search_pages(
        self, query: Query | None = None, *, image: Picture | str | None = None, **options: Any
    ) -> Iterator[Found]:
        """The pages of a search, up to 1,000 hits in all."""
        yield from self._pages(calls.search(query, image, options))

    def hits(
        self, query: Query | None = None, *, image: Picture | str | None = None, **options: Any
    ) -> Iterator[Hit]:
        """The hits of all pages of a search, most similar first."""
        yield from self._items(calls.search(query, image, options), "hits")

    def search_many(self, searches: Sequence[Mapping[str, Any]]) -> list[Found | Failure]:
        """A response or an error for each of up to 32 searches in the API's form."""
        body = {"searches": list(searches)}
        return list((self._send(Call("POST", "search/batch", body=body)))["results"])

    def similar(self, id: str, **options: Any) -> Found:
        """Images similar to a stored one."""
        return cast(Found, self._send(calls.get(f"images/{segment(id)}/similar", **options)))

    def images(self, **options: Any) -> Iterator[Image]:
        """The records of all indexed images, fetched page by page.

        With status=None also those of rejected images.
        """
        return self._items(calls.get("images", **{"status": "indexed", **options}), "images")

    def facets(self, **options: Any) -> Facets:
        """Values and counts of a listing, or with `q` of a search."""
        return cast(Facets, self._send(calls.get("facets", **options)))

    def collections(self, **options: Any) -> Iterator[Collection]:
        """The collections, or those below `parent`, fetched page by page."""
        return self._items(calls.get("collections", **options), "collections")

    def image(self, id: str) -> Image:
        """The record of one image."""
        return cast(Image, self._send(calls.get(f"images/{segment(id)}")))

    def upload(self, file: Path | str, content_type: str | None = None, **options: Any) -> Upload:
        """Upload a file to the bucket; it is searchable once it is indexed.

        content_type: by default detected from the file. Raises ValueError for an unknown one.
        """
        file = Path(file)
        upload = cast(Upload, self._send(calls.upload(file, content_type, options)))
        if form := upload.get("upload"):
            address = self._api.base_url.join(form["url"])
            content = {"file": (file.name, file.read_bytes())}
            sent = self._request(self._bucket, "POST", address, data=form["fields"], files=content)
            checked(sent)
        return upload

    def upload_url(self, url: str, **options: Any) -> Upload:
        """Have the server fetch an image, if it allows that."""
        body = {"url": url, **options}
        return cast(Upload, self._send(Call("POST", "images", body=body)))

    def delete(self, id: str) -> None:
        """Delete an image from the bucket and the index."""
        self._send(Call("DELETE", f"images/{segment(id)}"))

    def duplicates(self, **options: Any) -> Iterator[DuplicateGroup]:
        """All groups of exact and near duplicates, fetched page by page."""
        return self._items(calls.get("duplicates", **options), "groups")

    def check_duplicate(self, picture: Picture | str) -> DuplicateCheck:
        """The stored duplicates of an image, or of the stored image with this id."""
        call = Call("POST", "duplicates/check", body=calls.subject(picture))
        return cast(DuplicateCheck, self._send(call))

    def classify(self, picture: Picture | str, **options: Any) -> Classified:
        """Labels ranked for an image, or for the stored image with this id."""
        call = Call("POST", "classify", body=calls.subject(picture) | options)
        return cast(Classified, self._send(call))

    def label_sets(self) -> list[LabelSet]:
        """All label sets, by name."""
        return list((self._send(calls.get("labelsets")))["labelsets"])

    def labels(self, name: str, **options: Any) -> Iterator[str]:
        """The labels of a set in alphabetical order, fetched page by page."""
        return self._items(calls.get(f"labelsets/{segment(name)}", **options), "labels")

    def put_labels(
        self,
        name: str,
        labels: Sequence[str],
        examples: Mapping[str, Sequence[str]] | None = None,
    ) -> LearnedLabels | None:
        """Create a label set, or replace its labels.

        examples: ids of indexed images by label; the result says if they are used.
        """
        body: dict[str, Any] = {"labels": list(labels)}
        if examples is not None:
            body["examples"] = {label: list(ids) for label, ids in examples.items()}
        written = self._send(Call("PUT", f"labelsets/{segment(name)}", body=body))
        return cast(LearnedLabels | None, written.get("learned"))

    def add_labels(self, name: str, labels: Sequence[str]) -> None:
        """Add labels to a set."""
        self._send(Call("POST", f"labelsets/{segment(name)}/labels", body={"labels": list(labels)}))

    def delete_labels(self, name: str) -> None:
        """Delete a label set."""
        self._send(Call("DELETE", f"labelsets/{segment(name)}"))

    def feedback(self, search_id: str, id: str, relevant: bool) -> None:
        """Record that a hit of a search is relevant, or not."""
        body = {"search_id": search_id, "id": id, "relevant": relevant}
        self._send(Call("POST", "feedback", body=body))

    def health(self) -> Health:
        """The state of the index and of the queue."""
        return cast(Health, self._send(calls.get("health")))

    def _pages(self, call: Call) -> Iterator[Any]:
        while True:
            page = self._send(call)
            yield page
            if not (cursor := page["cursor"]):
                return
            call = call.after(cursor)

    def _items(self, call: Call, name: str) -> Iterator[Any]:
        for page in self._pages(call):
            yield from page[name]

    def _send(self, call: Call) -> Any:
        """The JSON of the response, after retries. Raises ApiError, httpx.HTTPError."""
        return checked(
            self._request(self._api, call.method, call.path, params=call.params, json=call.body)
        )

    def _request(
        self, client: httpx.Client, method: str, url: str | httpx.URL, **content: Any
    ) -> httpx.Response:
        """The response, after retries. Raises httpx.HTTPError."""
        attempt = 0
        while True:
            response = client.request(method, url, **content)
            wait = retry_wait(response, attempt, self._retries)
            if wait is None:
                return response
            time.sleep(wait)
            attempt += 1
