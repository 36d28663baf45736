"""Entity tags of responses, and the request header If-None-Match (RFC 9110, 8.8.3 and 13.1.2)."""

import hashlib
import re

_TAG = re.compile(r'[\s,]*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?=,|$)')


def weak_etag(body: str) -> str:
    """The tag of a text; weak, because the bytes differ where a proxy compresses them."""
    return f'W/"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'


def matches(header: str, etag: str, *, weak: bool = True) -> bool:
    """True if the list of tags, or `*`, includes the tag; weak tags match in weak comparison only.

    An invalid list matches nothing after its first error.
    """
    if header.strip() == "*":
        return True
    if not weak and etag.startswith("W/"):
        return False
    position = 0
    while found := _TAG.match(header, position):
        if found[2] == etag.removeprefix("W/").strip('"') and (weak or not found[1]):
            return True
        position = found.end()
    return False
