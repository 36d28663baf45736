"""Folders of keys: nested collections, and the number of images in each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

# A key of 1,024 bytes may have 1,023 folders.
FOLDER_LEVELS = 16


@dataclass(frozen=True, slots=True)
class CollectionCount:
    """A collection, such as `cats/kittens`, and the number of images in it and below it.

    `nested` is True if images are in collections below it.
    """

    path: str
    images: int
    nested: bool


def folders(key: str) -> list[str]:
    """The folders of a key, outermost first: "a/" and "a/b/" of "a/b/c"; FOLDER_LEVELS at most."""
    ends = [position + 1 for position, letter in enumerate(key) if letter == "/"]
    return [key[:end] for end in ends[:FOLDER_LEVELS]]


def folder_of(collection: str) -> str:
    """The prefix of the keys of a collection: `cats/kittens/` for `cats/kittens`."""
    return f"{collection}/"


def in_collection(key: str, collection: str | None) -> bool:
    """True if a key is in a collection or below it; every key is in None."""
    return collection is None or key.startswith(folder_of(collection))


def collection_below(key: str, parent: str | None) -> str | None:
    """The collection one level below `parent` that holds a key; None if there is none."""
    level = 0 if parent is None else folder_of(parent).count("/")
    above = folders(key)
    return above[level][:-1] if in_collection(key, parent) and level < len(above) else None


def collections_of(
    keys: Iterable[str], parent: str | None, *, depth: int, after: str | None, limit: int
) -> list[CollectionCount]:
    """The collections below `parent` that hold images with these keys, `depth` levels of them.

    The first `limit` after `after`, ordered by their paths.
    """
    root = "" if parent is None else folder_of(parent)
    images = Counter(folder for key in keys for folder in folders(key))
    below = sorted(each for each in images if each.startswith(root) and each != root)
    found = [
        CollectionCount(folder[:-1], images[folder], nested=following.startswith(folder))
        for folder, following in pairwise([*below, ""])
        if folder.count("/") - root.count("/") <= depth
        if after is None or folder > folder_of(after)
    ]
    return found[:limit]
