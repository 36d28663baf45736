"""Responses of the API: their JSON, the errors that they report, and the wait before a retry."""

from __future__ import annotations

import random
from typing import Any

import httpx

from imagesearch.retry_after import retry_after_seconds

RETRIED = frozenset({429, 502, 503, 504})
MAX_WAIT_SECONDS = 30.0
FIRST_WAIT_SECONDS = 0.5


class ApiError(Exception):
    """An error response: its HTTP status, and the code, message and hint of its body."""

    def __init__(self, status: int, code: str, message: str, hint: str) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.status, self.code, self.message, self.hint = status, code, message, hint


def checked(response: httpx.Response) -> Any:
    """The JSON of a response, or None without a body. Raises ApiError."""
    if not response.is_success:
        raise _error(response)
    return response.json() if response.content else None


def retry_wait(response: httpx.Response, attempt: int, retries: int) -> float | None:
    """Seconds to wait before attempt `attempt` + 1, counted from 0; None if there is none.

    The header Retry-After of the response counts; without it the wait doubles with each attempt,
    with jitter, up to MAX_WAIT_SECONDS.
    """
    if response.status_code not in RETRIED or attempt >= retries:
        return None
    stated = retry_after_seconds(response.headers.get("retry-after"))
    if stated is not None:
        return min(stated, MAX_WAIT_SECONDS)
    wait: float = min(FIRST_WAIT_SECONDS * 2.0**attempt, MAX_WAIT_SECONDS)
    return wait * random.uniform(0.5, 1)  # noqa: S311


def _error(response: httpx.Response) -> ApiError:
    status = response.status_code
    try:
        error = response.json()["error"]
        return ApiError(status, error["code"], error["message"], error["hint"])
    except (ValueError, KeyError, TypeError):
        message = f"the server responded with {status} {response.reason_phrase}"
        return ApiError(status, "no_api", message, "check that the address is that of the API")
