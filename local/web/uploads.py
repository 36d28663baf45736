"""Reads a multipart/form-data body part by part: short fields first, then the file (RFC 7578)."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from typing import IO

BLOCK = 1 << 16
MAX_HEAD = 8_192
MAX_FIELD = 32_768
MAX_FIELDS = 50


class BadForm(Exception):
    """The body is no form as it should be; says why."""


class MultipartForm:
    """`fields` are there once the file is reached, which comes last, as in a POST to S3."""

    def __init__(self, body: IO[bytes], content_type: str) -> None:
        """Read up to the file. Raises BadForm."""
        header = Message()
        header["content-type"] = content_type
        boundary = header.get_param("boundary")
        if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
            raise BadForm("the body is not multipart/form-data")
        self._body = body
        self._line = b"\r\n--" + boundary.encode("ascii", "replace")
        # The first boundary stands without a line before it.
        self._buffer = b"\r\n"
        self.fields: dict[str, str] = {}
        for _ in self._until(self._line, MAX_HEAD):
            pass
        self._read_fields()

    def file(self) -> Iterator[bytes]:
        """The file's bytes. Raises BadForm."""
        yield from self._until(self._line, None)

    def _read_fields(self) -> None:
        while True:
            name = self._next_part()
            if name == "file":
                return
            value = b"".join(self._until(self._line, MAX_FIELD))
            if name in self.fields or len(self.fields) == MAX_FIELDS:
                raise BadForm("a field comes twice, or there are too many")
            self.fields[name] = value.decode("utf-8", "replace")

    def _next_part(self) -> str:
        head = b"".join(self._until(b"\r\n\r\n", MAX_HEAD))
        if head.startswith(b"--"):
            raise BadForm("there is no field named file")
        headers = HeaderParser().parsestr(head.decode("utf-8", "replace").lstrip("\r\n"))
        name = headers.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise BadForm("a part has no name")
        return name

    def _until(self, mark: bytes, most: int | None) -> Iterator[bytes]:
        """The bytes before a mark, which is passed."""
        passed = 0
        while (place := self._buffer.find(mark)) < 0:
            keep = len(mark) - 1
            ready, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
            passed += len(ready)
            if most is not None and passed > most:
                raise BadForm("a part is too long")
            if ready:
                yield ready
            if not (more := self._body.read(BLOCK)):
                raise BadForm("the body is cut short")
            self._buffer += more
        ready, self._buffer = self._buffer[:place], self._buffer[place + len(mark) :]
        if most is not None and passed + len(ready) > most:
            raise BadForm("a part is too long")
        yield ready
