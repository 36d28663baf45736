"""Writes the labels of a set, embedded in batches; and deletes those of generations gone by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeAlias, TypeVar

from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.filters import KeyPrefix
from imagesearch.domain.images import Embedding, ImageRef
from imagesearch.domain.ports import VectorIndex
from imagesearch.label_records import label_record, label_ref
from imagesearch.writes import Delete, Put, Write, WriteStatus

LABELS_AT_A_TIME = 64
DELETED_AT_A_TIME = 500

Progress: TypeAlias = Callable[[int], object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabelWriter:
    """Raises Unavailable, also where somebody else writes the same set."""

    index: VectorIndex
    labels: LabelEncoder
    clock: Callable[[], datetime]

    def put(
        self, collection: str, labels: Sequence[str], old: str | None, progress: Progress
    ) -> None:
        """Add labels to a collection; those that the `old` one has are not embedded again."""
        for part in _parts(labels, LABELS_AT_A_TIME):
            refs = {label: label_ref(collection, label) for label in part}
            there = self.index.get([ref.id for ref in refs.values()])
            missing = [
                label
                for label, ref in refs.items()
                if ref.id not in there or there[ref.id].document is None
            ]
            vectors = self._vectors(missing, old)
            now, model = self.clock(), self.labels.model
            versions = {label: there.get(refs[label].id) for label in missing}
            self._write(
                Put(
                    label_record(collection, label, model, now),
                    vectors[label],
                    known.version if known else None,
                )
                for label, known in versions.items()
            )
            progress(len(part))

    def write_record(self, write: Write) -> None:
        """Write a set's record, if nobody has since it was read."""
        if WriteStatus.CONFLICT in self._write([write]):
            raise Unavailable("the label set was written by somebody else meanwhile", "try again")

    def sweep(self, name: str, keep: str | None) -> None:
        """Delete every other generation's labels, also those that a broken replacement left."""
        for refs in _parts(self._leftovers(name, keep), DELETED_AT_A_TIME):
            stored = self.index.get([ref.id for ref in refs])
            self._write(Delete(ref, stored[ref.id].version) for ref in refs if ref.id in stored)

    def _leftovers(self, name: str, keep: str | None) -> Iterator[ImageRef]:
        for found in self.index.scan(filter=KeyPrefix(f"{name}.")):
            if found.document.ref.collection != keep:
                yield found.document.ref

    def _vectors(self, labels: Sequence[str], old: str | None) -> dict[str, Embedding]:
        ids = {label: label_ref(old, label).id for label in labels} if old else {}
        known = self.index.embeddings(list(ids.values())) if ids else {}
        found = {label: known[id] for label, id in ids.items() if id in known}
        new = [label for label in labels if label not in found]
        if new:
            found.update(zip(new, self.labels.encode_labels(new), strict=True))
        return found

    def _write(self, writes: Iterable[Write]) -> list[WriteStatus]:
        """A conflict over a label means that somebody else has just put it there, or deleted it."""
        results = self.index.write(list(writes))
        for result in results:
            if result.status is WriteStatus.FAILED:
                raise Unavailable(f"a label cannot be written: {result.reason}", "try again")
        return [result.status for result in results]


def _parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
