"""What a new image may be called and carry, and under which key it comes to lie."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.media_types import EXTENSIONS_OF

MAX_NAME_BYTES = 200
MAX_METADATA_BYTES = 2_048
RANDOM_BYTES = 6


@dataclass(frozen=True, slots=True)
class NewImage:
    """What somebody wants to upload; `collection` is the folder that it goes to."""

    name: str
    content_type: str
    collection: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def check(wanted: NewImage) -> None:
    """Raises InvalidQuery."""
    _check_part("name", wanted.name)
    if wanted.collection is not None:
        _check_part("collection", wanted.collection)
    if wanted.content_type not in EXTENSIONS_OF:
        raise InvalidQuery(
            f"content_type is {wanted.content_type!r}",
            f"send one of {', '.join(EXTENSIONS_OF)}",
            "invalid_content_type",
        )
    _check_metadata(wanted.metadata)


def new_key(wanted: NewImage) -> str:
    """A name that nothing has yet, and that ends as its type does."""
    name, extensions = PurePosixPath(wanted.name), EXTENSIONS_OF[wanted.content_type]
    known = name.suffix.lower() in extensions
    stem, suffix = (name.stem, name.suffix) if known else (wanted.name, extensions[0])
    unique = f"{stem}-{secrets.token_hex(RANDOM_BYTES)}{suffix}"
    return f"{wanted.collection}/{unique}" if wanted.collection else unique


def _check_part(field: str, value: str) -> None:
    """What becomes a folder's or a file's name, on whatever system."""
    wrong = _wrong_with(value)
    if wrong:
        hint = f"send a plain name of up to {MAX_NAME_BYTES} bytes, such as beach.jpg or 2024"
        raise InvalidQuery(f"{field} {wrong}", hint, f"invalid_{field}")


def _wrong_with(value: str) -> str:
    if not value.strip() or value != value.strip():
        return "is empty, or begins or ends with a blank"
    if not value.isprintable() or set(value) & set("/\\"):
        return "holds a slash, a backslash or a character that cannot be printed"
    if value.startswith("."):
        return "begins with a dot"
    if len(value.encode()) > MAX_NAME_BYTES:
        return f"has more than {MAX_NAME_BYTES} bytes"
    return ""


def _check_metadata(metadata: Mapping[str, str]) -> None:
    """What S3 takes as headers: ASCII, names in lower case, 2 KB in all.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    """
    for name, value in metadata.items():
        if not _is_header_name(name):
            raise _bad_metadata(f"the name {name!r} is not made of a to z, 0 to 9 and -")
        if not (value.isascii() and value.isprintable() and value == value.strip() and value):
            raise _bad_metadata(f"the value of {name!r} is not printable ASCII, or it is empty")
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise _bad_metadata(f"names and values have {size:,} bytes, over {MAX_METADATA_BYTES:,}")


def _is_header_name(name: str) -> bool:
    return name.isascii() and name.replace("-", "").isalnum() and name == name.lower()


def _bad_metadata(why: str) -> InvalidQuery:
    hint = "send what the headers x-amz-meta- can hold"
    return InvalidQuery(f"metadata: {why}", hint, "invalid_metadata")
