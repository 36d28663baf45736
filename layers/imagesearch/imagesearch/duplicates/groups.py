"""Use case: which images of the index show the same picture, in groups, a page at a time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Document, Linked, Status
from imagesearch.domain.ports import VectorIndex
from imagesearch.duplicates.similarity import THRESHOLD, check_threshold
from imagesearch.grouping import (
    GroupKind,
    groups,
    kind_of,
    links,
    most_original_first,
    still_hold,
)
from imagesearch.search.pagination import seal, unseal

GROUPS = 20
MAX_GROUPS = 100
# Whoever sees a hundred copies has seen enough.
MAX_SHOWN = 100
# Of a still larger group so many are looked at.
MAX_IN_GROUP = 5_000
# With more of them, an answer would come near to what Lambda can send.
MAX_ON_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Group:
    """Duplicates of each other, the likeliest original first; `size` counts all of them."""

    size: int
    kind: GroupKind
    documents: list[Document]


@dataclass(frozen=True, slots=True)
class GroupPage:
    groups: list[Group]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Supposed:
    """A group as the links have it; `key` is the first one of its images."""

    key: str
    ids: list[str]


class DuplicateGroups:
    """Raises InvalidQuery, Unavailable."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index

    def page(
        self,
        *,
        threshold: float = THRESHOLD,
        collection: str | None = None,
        cursor: str | None = None,
        limit: int = GROUPS,
    ) -> GroupPage:
        """Groups in the order of their first keys; a page may hold fewer than `limit`."""
        check_threshold(threshold)
        _check_limit(limit)
        request = f"duplicates {threshold!r} {collection!r}"
        after = str(unseal(cursor, request)[0]) if cursor else ""
        images = {each.id: each for each in self._index.linked(collection=collection)}
        waiting = [each for each in _supposed(images, threshold) if each.key > after]
        found: list[Group] = []
        while waiting and not found:
            taken, waiting = _split(waiting, limit)
            after = taken[-1].key
            found = self._standing(taken, images, threshold, collection)
        return GroupPage(found, seal([after], request) if waiting else None)

    def _standing(
        self,
        supposed: Sequence[_Supposed],
        images: Mapping[str, Linked],
        threshold: float,
        collection: str | None,
    ) -> list[Group]:
        """Images may have gone or been overwritten since they were linked: groups fall apart."""
        ids = [id for each in supposed for id in each.ids]
        documents = {
            id: stored.document
            for id, stored in self._index.get(ids).items()
            if stored.document and stored.document.status is Status.INDEXED
            if collection in (None, stored.document.ref.collection)
        }
        found: list[Group] = []
        for each in supposed:
            members = {id: documents[id] for id in each.ids if id in documents}
            linked = [images[id] for id in members if id in images]
            standing = groups(still_hold(linked, members, threshold))
            found += [_group([members[id] for id in group]) for group in standing]
        return found


def _group(documents: Sequence[Document]) -> Group:
    shown = most_original_first(documents)[:MAX_SHOWN]
    return Group(len(documents), kind_of(documents), shown)


def _supposed(images: Mapping[str, Linked], threshold: float) -> list[_Supposed]:
    """The ids of each group that hold most of it together come first."""
    pairs = links(images.values(), threshold)
    degrees = Counter(id for pair in pairs for id in pair)
    found = []
    for ids in groups(pairs):
        first = min(images[id].key for id in ids if id in images)
        closest = sorted(ids, key=degrees.__getitem__, reverse=True)
        found.append(_Supposed(first, closest[:MAX_IN_GROUP]))
    return sorted(found, key=lambda each: each.key)


def _split(waiting: list[_Supposed], limit: int) -> tuple[list[_Supposed], list[_Supposed]]:
    """So many as make a page, at least one, and the rest."""
    images = end = 0
    for each in waiting[:limit]:
        images += min(len(each.ids), MAX_SHOWN)
        if end and images > MAX_ON_PAGE:
            break
        end += 1
    return waiting[:end], waiting[end:]


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_GROUPS:
        raise InvalidQuery(
            f"limit is {limit}", f"ask for 1 to {MAX_GROUPS} groups at a time", "invalid_limit"
        )
