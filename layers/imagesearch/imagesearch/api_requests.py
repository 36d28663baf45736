"""Requests to the API: sent again while it is busy or away, and its refusals raised as errors."""

from __future__ import annotations

import time
from typing import Any

import httpx

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
