"""The embedded index's vectors in memory, and exact k-NN over them.

Rows are only ever appended; a search works on an immutable snapshot and needs no lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain import Embedding, VectorQuery

BLOCK_ROWS = 8192
# Far above what float32 sums of up to some thousand products can be off, far below 1e-4.
MARGIN = 2e-5
_NOWHERE = np.float32(-np.inf)


class Row(NamedTuple):
    """What a search needs of an entry; `vector` is the bytes of [D] float32, None: not found."""

    seq: int
    id: str
    collection: str | None
    vector: bytes | None


class Match(NamedTuple):
    seq: int
    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows up to `last_seq`: n of them, in blocks [BLOCK_ROWS, D]; replaced ones not alive."""

    last_seq: int
    blocks: tuple[Embedding, ...]
    ids: Sequence[str]
    seqs: NDArray[np.int64]
    collections: NDArray[np.int32]
    alive: NDArray[np.bool_]
    codes: dict[str | None, int]

    def nearest(self, query: VectorQuery) -> list[Match]:
        """The query's matches, scores exact to float64; score descending, then id ascending."""
        vector = query.embedding
        rows = self._candidates(vector, query)
        found = sorted(
            (-score, self.ids[row], row)
            for row, score in zip(rows.tolist(), self._scores(vector, rows), strict=True)
        )
        behind = (-query.after.score, query.after.id) if query.after else None
        matches = (
            Match(int(self.seqs[row]), id, -negative)
            for negative, id, row in found
            if id != query.exclude and (behind is None or (negative, id) > behind)
        )
        return [match for match, _ in zip(matches, range(query.limit), strict=False)]

    def _candidates(self, vector: Embedding, query: VectorQuery) -> NDArray[np.int64]:
        """Rows that hold all matches: a row's float32 sum depends on its neighbours, a little."""
        rough = self._rough_scores(vector)
        if not rough.size:
            return np.empty(0, np.int64)
        rough[~self._eligible(query.collection)] = _NOWHERE
        wanted = query.limit + (query.exclude is not None)
        if query.after:
            rough[rough > query.after.score + MARGIN] = _NOWHERE
            wanted += int(np.count_nonzero(rough > query.after.score - MARGIN))
        if wanted >= rough.size:
            return np.flatnonzero(rough > _NOWHERE)
        last = np.partition(rough, rough.size - wanted)[rough.size - wanted]
        return np.flatnonzero((rough > _NOWHERE) & (rough >= last - MARGIN))

    def _rough_scores(self, vector: Embedding) -> Embedding:
        """Not by matmul: memory bounds a scan, and BLAS threads wait 100 ms on a busy machine."""
        scores = np.empty(len(self.seqs), np.float32)
        for number, block in enumerate(self.blocks):
            part = scores[number * BLOCK_ROWS : (number + 1) * BLOCK_ROWS]
            np.einsum("ij,j->i", block[: len(part)], vector, out=part)
        return scores

    def _eligible(self, collection: str | None) -> NDArray[np.bool_]:
        if collection is None:
            return self.alive
        inside: NDArray[np.bool_] = self.collections == self.codes.get(collection, -1)
        return self.alive & inside

    def _scores(self, vector: Embedding, rows: NDArray[np.int64]) -> list[float]:
        """The same number for the same two vectors always, so that pages fit together."""
        double = vector.astype(np.float64)
        scores = [np.empty(0)]
        for number in np.unique(rows // BLOCK_ROWS):
            places = rows[rows // BLOCK_ROWS == number] % BLOCK_ROWS
            scores.append((self.blocks[number][places] * double).sum(axis=1))
        found: list[float] = np.clip(np.concatenate(scores), -1.0, 1.0).tolist()
        return found


class VectorLog:
    """Makes snapshots; one thread at a time may extend it, while others use older snapshots."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        self._codes: dict[str | None, int] = {}
        self.snapshot = Snapshot(
            *(0, (), self._ids),
            *(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.bool_)),
            self._codes,
        )

    @property
    def mostly_dead(self) -> bool:
        """Whether loading anew would free more than half of the memory."""
        rows = len(self._ids)
        return rows > BLOCK_ROWS and len(self._places) < rows // 2

    def extend(self, rows: Sequence[Row]) -> None:
        """Take in rows, in the order of their seq; an id's newest row replaces the older one."""
        old = self.snapshot
        found = [row for row in rows if row.vector is not None]
        alive = np.concatenate([old.alive, np.ones(len(found), np.bool_)])
        place = len(self._ids)
        for row in rows:
            if (known := self._places.pop(row.id, None)) is not None:
                alive[known] = False
            if row.vector is not None:
                self._places[row.id] = place
                place += 1
        codes = [self._codes.setdefault(row.collection, len(self._codes)) for row in found]
        blocks = self._append([row.vector for row in found if row.vector is not None])
        self._ids.extend(row.id for row in found)
        self.snapshot = Snapshot(
            last_seq=rows[-1].seq,
            blocks=blocks,
            ids=self._ids,
            seqs=np.concatenate([old.seqs, np.array([row.seq for row in found], np.int64)]),
            collections=np.concatenate([old.collections, np.array(codes, np.int32)]),
            alive=alive,
            codes=self._codes,
        )

    def _append(self, vectors: Sequence[bytes]) -> tuple[Embedding, ...]:
        """Fill the free rows of the last block, which no snapshot looks at, and add blocks."""
        added = np.frombuffer(b"".join(vectors), "<f4").reshape(-1, self._dimension)
        blocks, used = list(self.snapshot.blocks), len(self._ids) % BLOCK_ROWS
        while len(added):
            if used == 0:
                blocks.append(np.zeros((BLOCK_ROWS, self._dimension), np.float32))
            taken = added[: BLOCK_ROWS - used]
            blocks[-1][used : used + len(taken)] = taken
            added, used = added[len(taken) :], 0
        return tuple(blocks)
