"""Use case: list the groups of duplicates in the index, page by page.

Groups are the connected components of the links between images (see `linker`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from imagesearch.domain.folders import in_collection
from imagesearch.domain.images import Document, Linked, Status
from imagesearch.domain.media_types import is_raw, without_extensions
from imagesearch.domain.ports import VectorIndex
from imagesearch.duplicates.similarity import THRESHOLD, check_threshold
from imagesearch.search.pagination import check_limit, seal, unseal

DEFAULT_GROUPS = 20
MAX_GROUPS = 100
# Documents that are returned of one group.
MAX_SHOWN = 100
# Members of one group that are checked.
MAX_IN_GROUP = 5_000
# Documents on one page. A record may have 40 KB in a response: a key of 1,024 bytes, presigned URLs
# with session tokens, metadata and tags. A Lambda response has at most 6,291,456 bytes.
MAX_ON_PAGE = 150


class GroupKind(StrEnum):
    """EXACT: all have the same bytes. RAW_AND_JPEG: one shot, as camera RAW and in other formats.

    NEAR: any other group of duplicates, which may be edited versions.
    """

    EXACT = "exact"
    RAW_AND_JPEG = "raw+jpeg"
    NEAR = "near"


@dataclass(frozen=True, slots=True)
class Group:
    """Duplicates of each other, the most likely original first.

    `size` is the number of all members, of which `documents` has up to `MAX_SHOWN`.
    """

    size: int
    kind: GroupKind
    documents: list[Document]


@dataclass(frozen=True, slots=True)
class GroupPage:
    """One page of groups; `cursor` is that of the next page, None on the last one."""

    groups: list[Group]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A group by the stored links, not checked against the documents; `key` is its first key."""

    key: str
    ids: list[str]


class DuplicateFinder:
    """Lists groups of duplicates; raises InvalidQuery, Unavailable."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index

    def page(
        self,
        *,
        threshold: float = THRESHOLD,
        collection: str | None = None,
        cursor: str | None = None,
        limit: int = DEFAULT_GROUPS,
    ) -> GroupPage:
        """Groups ordered by their first keys; a page may have fewer than `limit` groups."""
        check_threshold(threshold)
        check_limit(limit, MAX_GROUPS)
        request = f"duplicates {threshold!r} {collection!r}"
        after = str(unseal(cursor, request, str)[0]) if cursor else ""
        images = {each.id: each for each in self._index.linked(collection=collection)}
        rest = [each for each in _candidates(images, threshold) if each.key > after]
        found: list[Group] = []
        while rest and not found:
            page, rest = _split(rest, limit)
            after = page[-1].key
            found = self._current_groups(page, images, threshold, collection)
        return GroupPage(found, seal([after], request) if rest else None)

    def _current_groups(
        self,
        candidates: Sequence[_Candidate],
        images: Mapping[str, Linked],
        threshold: float,
        collection: str | None,
    ) -> list[Group]:
        """The groups without images that were deleted or replaced since they were linked."""
        ids = [id for each in candidates for id in each.ids]
        documents = {
            id: stored.document
            for id, stored in self._index.get(ids).items()
            if stored.document and stored.document.status is Status.INDEXED
            if in_collection(stored.document.ref.key, collection)
        }
        found: list[Group] = []
        for each in candidates:
            members = {id: documents[id] for id in each.ids if id in documents}
            linked = [images[id] for id in members if id in images]
            current = groups(current_links(linked, members, threshold))
            found += [_group([members[id] for id in group]) for group in current]
        return found


def kind_of(documents: Sequence[Document]) -> GroupKind:
    """The kind of a group with these members."""
    if len({document.sha256 for document in documents}) == 1:
        return GroupKind.EXACT
    return GroupKind.RAW_AND_JPEG if _is_one_shot(documents) else GroupKind.NEAR


def _is_one_shot(documents: Sequence[Document]) -> bool:
    """True for files of one name in one folder, or for one RAW file and one other in any folders.

    Several files with different names may be edited versions.
    """
    raw = {document.sha256 for document in documents if is_raw(document.content_type)}
    others = {document.sha256 for document in documents} - raw
    names = {without_extensions(document.ref.key).casefold() for document in documents}
    return bool(raw and others) and (len(names) == 1 or len(raw) == len(others) == 1)


def links(images: Iterable[Linked], threshold: float) -> list[tuple[str, str]]:
    """Pairs of ids of images with at least this confidence, or with the same bytes."""
    found: list[tuple[str, str]] = []
    first_with: dict[str, str] = {}
    for image in images:
        found += [
            (image.id, other.id) for other in image.neighbors if other.confidence >= threshold
        ]
        if (first := first_with.setdefault(image.sha256, image.id)) != image.id:
            found.append((first, image.id))
    return found


def current_links(
    images: Iterable[Linked], documents: Mapping[str, Document], threshold: float
) -> list[tuple[str, str]]:
    """The links between documents whose content has not changed since they were linked."""
    hashes = {id: document.sha256 for id, document in documents.items()}
    unchanged = [image for image in images if hashes.get(image.id) == image.sha256]
    linked_hashes = {
        (image.id, other.id): other.sha256 for image in unchanged for other in image.neighbors
    }
    return [
        (one, other)
        for one, other in links(unchanged, threshold)
        if other in hashes
        if linked_hashes.get((one, other), hashes[other]) == hashes[other]
    ]


def groups(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The connected components, in no particular order (union-find)."""
    roots: dict[str, str] = {}
    for one, other in pairs:
        roots[_root(roots, one)] = _root(roots, other)
    found: dict[str, list[str]] = {}
    for id in roots:
        found.setdefault(_root(roots, id), []).append(id)
    return [members for members in found.values() if len(members) > 1]


def _root(roots: dict[str, str], id: str) -> str:
    root = roots.setdefault(id, id)
    while root != roots[root]:
        roots[id] = roots[root]
        id, root = root, roots[root]
    return root


def most_original_first(documents: Iterable[Document]) -> list[Document]:
    """By camera RAW first, most pixels, earliest time, most bytes, key."""
    return sorted(documents, key=_originality)


def _originality(document: Document) -> tuple[bool, int, datetime, int, str]:
    pixels = (document.width or 0) * (document.height or 0)
    made = document.taken_at or document.last_modified
    # EXIF times have no time zone.
    made = made if made.tzinfo else made.replace(tzinfo=UTC)
    return not is_raw(document.content_type), -pixels, made, -document.size, document.ref.key


def _group(documents: Sequence[Document]) -> Group:
    shown = most_original_first(documents)[:MAX_SHOWN]
    return Group(len(documents), kind_of(documents), shown)


def _candidates(images: Mapping[str, Linked], threshold: float) -> list[_Candidate]:
    """The groups by the stored links, ordered by key; ids with the most links are first."""
    pairs = links(images.values(), threshold)
    degrees = Counter(id for pair in pairs for id in pair)
    found = []
    for ids in groups(pairs):
        first = min(images[id].key for id in ids if id in images)
        by_degree = sorted(ids, key=degrees.__getitem__, reverse=True)
        found.append(_Candidate(first, by_degree[:MAX_IN_GROUP]))
    return sorted(found, key=lambda each: each.key)


def _split(candidates: list[_Candidate], limit: int) -> tuple[list[_Candidate], list[_Candidate]]:
    """The groups of one page, at least one, and the rest."""
    images = end = 0
    for each in candidates[:limit]:
        images += min(len(each.ids), MAX_SHOWN)
        if end and images > MAX_ON_PAGE:
            break
        end += 1
    return candidates[:end], candidates[end:]
