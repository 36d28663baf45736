"""Client of a deployed API for `--endpoint URL`, with the API key from the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from imagesearch.client import ApiError, ImageSearch
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
