"""Groups of duplicates from the links between them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from imagesearch.domain.images import Document, Linked
from imagesearch.domain.media_types import is_raw, without_extensions


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
