"""Use case: which images of the index show the same picture, in groups, a page at a time.

Groups of duplicates from the links between them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Document, Linked, Status
from imagesearch.domain.media_types import is_raw, without_extensions
from imagesearch.domain.ports import VectorIndex
from imagesearch.duplicates.similarity import THRESHOLD, check_threshold
from imagesearch.search.pagination import seal, unseal


class GroupKind(StrEnum):
    """EXACT: all have the same bytes. RAW_AND_JPEG: one shot, as camera RAW and in other formats.

    NEAR: the same picture otherwise, perhaps edited.
    """

    EXACT = "exact"
    RAW_AND_JPEG = "raw+jpeg"
    NEAR = "near"


def kind_of(documents: Sequence[Document]) -> GroupKind:
    """The kind of a group, of which all members are given."""
    if len({document.sha256 for document in documents}) == 1:
        return GroupKind.EXACT
    return GroupKind.RAW_AND_JPEG if _is_one_shot(documents) else GroupKind.NEAR


def _is_one_shot(documents: Sequence[Document]) -> bool:
    """RAW and others of one name in one folder, or one RAW file and one other, wherever they are.

    More files of several names may well be edits: whoever cleans up should look at each.
    """
    raw = {document.sha256 for document in documents if is_raw(document.content_type)}
    others = {document.sha256 for document in documents} - raw
    names = {without_extensions(document.ref.key).casefold() for document in documents}
    return bool(raw and others) and (len(names) == 1 or len(raw) == len(others) == 1)


def links(images: Iterable[Linked], threshold: float) -> list[tuple[str, str]]:
    """Pairs of ids that are duplicates with at least that confidence, or have the same bytes."""
    found: list[tuple[str, str]] = []
    first_with: dict[str, str] = {}
    for image in images:
        found += [
            (image.id, other.id) for other in image.neighbours if other.confidence >= threshold
        ]
        if (first := first_with.setdefault(image.sha256, image.id)) != image.id:
            found.append((first, image.id))
    return found


def still_hold(
    images: Iterable[Linked], documents: Mapping[str, Document], threshold: float
) -> list[tuple[str, str]]:
    """The links between documents whose bytes are still those that were linked."""
    current = {id: document.sha256 for id, document in documents.items()}
    standing = [image for image in images if current.get(image.id) == image.sha256]
    bytes_then = {
        (image.id, other.id): other.sha256 for image in standing for other in image.neighbours
    }
    return [
        (one, other)
        for one, other in links(standing, threshold)
        if other in current
        if bytes_then.get((one, other), current[other]) == current[other]
    ]


def groups(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """What hangs together, each group and its ids in no particular order."""
    leaders: dict[str, str] = {}
    for one, other in pairs:
        leaders[_leader(leaders, one)] = _leader(leaders, other)
    found: dict[str, list[str]] = {}
    for id in leaders:
        found.setdefault(_leader(leaders, id), []).append(id)
    return [members for members in found.values() if len(members) > 1]


def _leader(leaders: dict[str, str], id: str) -> str:
    leader = leaders.setdefault(id, id)
    while leader != leaders[leader]:
        leaders[id] = leaders[leader]
        id, leader = leader, leaders[leader]
    return leader


def most_original_first(documents: Iterable[Document]) -> list[Document]:
    """Camera RAW, then the one with most pixels, then the oldest, then the one with most bytes."""
    return sorted(documents, key=_originality)


def _originality(document: Document) -> tuple[bool, int, datetime, int, str]:
    pixels = (document.width or 0) * (document.height or 0)
    made = document.taken_at or document.last_modified
    # Cameras write no time zone.
    made = made if made.tzinfo else made.replace(tzinfo=UTC)
    return not is_raw(document.content_type), -pixels, made, -document.size, document.ref.key


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
