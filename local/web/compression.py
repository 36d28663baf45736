"""Compression of responses, like that of API Gateway with MinimumCompressionSize."""

import gzip

MINIMUM_BYTES = 1_024
_COMPRESSIBLE = ("text/html", "text/css", "text/javascript", "application/json")
_LEVEL = 5


def is_compressible(content_type: str, length: int) -> bool:
    """True for long texts; images are compressed already."""
    return length >= MINIMUM_BYTES and content_type.partition(";")[0].strip() in _COMPRESSIBLE


def accepts_gzip(accept_encoding: str) -> bool:
    """True if the header names gzip, or any encoding, with a quality above 0 (RFC 9110, 12.5.3)."""
    qualities: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.strip().partition(";")
        value = weight.strip().removeprefix("q=")
        try:
            qualities[name.strip()] = float(value) if value else 1.0
        except ValueError:
            continue
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def compressed(body: bytes) -> bytes:
    """The body in the encoding gzip."""
    return gzip.compress(body, _LEVEL, mtime=0)
