"""Conditional writes: what an index entry is at a version, what is to become of it, what did."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from imagesearch.domain.images import Document, Embedding, ImageRef

Version: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """An index entry with the version that a conditional write must name.

    `document` is None where the image was deleted: the entry outlives it for a while, so that a
    write which was sent before the deletion and lands after it finds another version and fails.
    """

    document: Document | None
    version: Version


@dataclass(frozen=True, slots=True)
class Put:
    """Record a document and its embedding; without embedding it is not found by search."""

    document: Document
    embedding: Embedding | None
    expected: Version | None

    @property
    def ref(self) -> ImageRef:
        return self.document.ref


@dataclass(frozen=True, slots=True)
class Touch:
    """Record a document anew and keep the embedding that is there."""

    document: Document
    expected: Version

    @property
    def ref(self) -> ImageRef:
        return self.document.ref


@dataclass(frozen=True, slots=True)
class Delete:
    """Record that the image is gone."""

    ref: ImageRef
    expected: Version | None


Write: TypeAlias = Put | Touch | Delete


class WriteStatus(StrEnum):
    WRITTEN = "written"
    CONFLICT = "conflict"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one write of a bulk; `reason` says why where it failed."""

    status: WriteStatus
    reason: str = ""
