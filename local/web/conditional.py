"""Conditional and range requests of files (RFC 9110, 13 and 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from functions.search.http.etags import matches

# A request with several ranges gets the whole file, which the RFC allows.
_RANGE = re.compile(r"bytes\s*=\s*(?:(\d{1,1000})-(\d{0,1000})|-(\d{1,1000}))\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Validators:
    """The strong tag, in quotation marks, and the modification time of a file."""

    etag: str
    modified: datetime

    @property
    def last_modified(self) -> str:
        return format_datetime(self.modified, usegmt=True)

    def failed(self, environ: Mapping[str, Any]) -> bool:
        """True if a precondition is false: the response is a 412."""
        if (tags := environ.get("HTTP_IF_MATCH")) is not None:
            return not matches(tags, self.etag, weak=False)
        date = _date(environ.get("HTTP_IF_UNMODIFIED_SINCE"))
        return date is not None and self._time > date

    def not_modified(self, environ: Mapping[str, Any]) -> bool:
        """True if the client has this file already: the response is a 304."""
        if (tags := environ.get("HTTP_IF_NONE_MATCH")) is not None:
            return matches(tags, self.etag)
        date = _date(environ.get("HTTP_IF_MODIFIED_SINCE"))
        return date is not None and self._time <= date

    def requested_range(self, environ: Mapping[str, Any], size: int) -> range | None:
        """The requested bytes of a file of `size` bytes; None if the whole file is requested.

        An empty range means that the file has none of the bytes: the response is a 416.
        """
        found = _RANGE.fullmatch(environ.get("HTTP_RANGE", "").strip())
        if not found or environ["REQUEST_METHOD"] != "GET" or not self._is_same(environ):
            return None
        first, last, suffix = found.groups()
        if suffix:
            return range(max(0, size - int(suffix)), size)
        if last and int(last) < int(first):
            return None
        return range(int(first), min(size, int(last) + 1) if last else size)

    def _is_same(self, environ: Mapping[str, Any]) -> bool:
        """True if If-Range, where sent, names this version of the file."""
        condition = environ.get("HTTP_IF_RANGE", "").strip()
        if not condition or condition.startswith('"'):
            return not condition or condition == self.etag
        return _date(condition) == self._time

    @property
    def _time(self) -> datetime:
        """HTTP dates have a resolution of seconds."""
        return self.modified.replace(microsecond=0)


def _date(header: str | None) -> datetime | None:
    """An HTTP date; None if it is missing or invalid, and so ignored."""
    try:
        found = parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found
