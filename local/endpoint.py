"""Client of a deployed API for `--endpoint URL`, with the API key from the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from imagesearch.client import ApiError, ImageSearch
from imagesearch.search.pagination import MAX_LIMIT
from local.errors import UsageError, with_commands
from local.options import API_KEY


@contextmanager
def api_at(endpoint: str) -> Iterator[ImageSearch]:
    """A client of the API; its errors are raised as UsageError."""
    try:
        with ImageSearch(endpoint, os.environ.get(API_KEY)) as api:
            yield api
    except ApiError as error:
        hint = f"set {API_KEY} to a key of this API" if error.status == 403 else error.hint
        raise UsageError(with_commands("; ".join(filter(None, (error.message, hint))))) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UsageError(
            f"cannot reach {endpoint}: {error}; give the address of a deployed API"
        ) from error


def prefix_of(folder: Path | None) -> str:
    """The prefix of the keys in a folder of the bucket, such as `2024/`; empty without a folder."""
    return f"{folder.as_posix().strip('/')}/" if folder else ""


def records_at(
    endpoint: str, status: str, prefix: str, order: str, limit: int | None
) -> Iterator[dict[str, Any]]:
    """The records of images as the API returns them, page by page. Raises UsageError."""
    fields = {"status": status, "prefix": prefix or None, "sort": order}
    with api_at(endpoint) as api:
        for image in api.images(**fields, limit=min(limit or MAX_LIMIT, MAX_LIMIT)):
            yield absolute(dict(image), endpoint)


def record_at(endpoint: str, named: str) -> dict[str, Any]:
    """The record of an image by its key or ID. Raises UsageError."""
    with api_at(endpoint) as api:
        # The key itself comes before all longer ones.
        first = next(api.images(prefix=named, status=None, limit=1), None)
        image = first if first and first["key"] == named else api.image(named)
        return absolute(dict(image), endpoint)


def absolute(row: dict[str, Any], endpoint: str) -> dict[str, Any]:
    """The row with absolute URLs: a local server gives relative ones."""
    names = [name for name in ("url", "thumbnail_url") if row.get(name)]
    return row | {name: urljoin(endpoint, row[name]) for name in names}
