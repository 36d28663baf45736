"""Exact k-NN over the vectors of an SQLite index, held in memory.

By numpy rather than a vector library: faiss and sqlite-vec add a native dependency, and filters,
minimum scores and cursors need every score. Rows are only appended, so that a search works on an
immutable snapshot without a lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.images import Embedding
from imagesearch.domain.queries import VectorQuery

BLOCK_ROWS = 8192
# Far above the rounding error of float32 sums of some thousand products, far below 1e-4.
MARGIN = 2e-5
# Rows that stay in a core's cache while several queries are compared with them.
CACHED_ROWS = 256


# The rows that may be returned, [N]; None: all.
RowMask: TypeAlias = NDArray[np.bool_] | None


class Row(NamedTuple):
    """The part of an entry that a search needs; `vector` is [D] float32 as bytes, None: deleted."""

    seq: int
    id: str
    collection: str | None
    vector: bytes | None


class RowMatch(NamedTuple):
    seq: int
    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The N rows up to `last_seq`, in blocks [BLOCK_ROWS, D]; replaced rows are not `alive`."""

    last_seq: int
    blocks: tuple[Embedding, ...]
    ids: Sequence[str]
    seqs: NDArray[np.int64]
    collections: NDArray[np.int32]
    alive: NDArray[np.bool_]
    codes: dict[str | None, int]

    def nearest(self, query: VectorQuery, allowed: RowMask = None) -> list[RowMatch]:
        """The query's matches, scores exact to float64; score descending, then id ascending."""
        return self.nearest_of_each([query], [allowed])[0]

    def nearest_of_each(
        self, queries: Sequence[VectorQuery], allowed: Sequence[RowMask]
    ) -> list[list[RowMatch]]:
        """The matches of each query, from one pass over the vectors."""
        rough = self._rough_scores([query.embedding for query in queries])
        return [
            self._matches(query, self._candidates(query, scores, seqs))
            for query, scores, seqs in zip(queries, rough, allowed, strict=True)
        ]

    def _matches(self, query: VectorQuery, rows: NDArray[np.int64]) -> list[RowMatch]:
        scores = self._scores(query.embedding, rows)
        found = sorted(
            (-score, self.ids[row], row) for row, score in zip(rows.tolist(), scores, strict=True)
        )
        after = (-query.after.score, query.after.id) if query.after else None
        minimum = -np.inf if query.min_score is None else query.min_score
        matches = (
            RowMatch(int(self.seqs[row]), id, -negative)
            for negative, id, row in found
            if id not in query.exclude and -negative >= minimum
            if after is None or (negative, id) > after
        )
        return list(islice(matches, query.limit))

    def _candidates(
        self, query: VectorQuery, rough: Embedding, allowed: RowMask
    ) -> NDArray[np.int64]:
        """Rows that contain all matches: a float32 sum depends slightly on the row's position."""
        rows: NDArray[np.int64] = np.flatnonzero(self._eligible(query.collection, allowed))
        scores = rough[rows]
        minimum = -np.inf if query.min_score is None else query.min_score - MARGIN
        maximum = query.after.score + MARGIN if query.after else np.inf
        within = (scores >= minimum) & (scores <= maximum)
        # Ineligible rows are removed first: np.partition is slow with many equal values.
        rows, scores = rows[within], scores[within]
        count = query.limit + len(query.exclude)
        if query.after:
            count += int(np.count_nonzero(scores > query.after.score - MARGIN))
        if count < len(rows):
            last = np.partition(scores, len(scores) - count)[len(scores) - count]
            rows = rows[scores >= last - MARGIN]
        return rows

    def _rough_scores(self, vectors: Sequence[Embedding]) -> Embedding:
        """Cosines [Q, N] in float32.

        By vecdot, which stays in one thread, not matmul, whose BLAS threads wait for each other for
        up to 100 ms on a busy machine.
        """
        scores = np.empty((len(vectors), len(self.seqs)), np.float32)
        step = BLOCK_ROWS if len(vectors) == 1 else CACHED_ROWS
        for start in range(0, len(self.seqs), step):
            end = min(start + step, len(self.seqs))
            first = start % BLOCK_ROWS
            block = self.blocks[start // BLOCK_ROWS][first : first + end - start]
            for vector, found in zip(vectors, scores, strict=True):
                np.vecdot(block, vector, out=found[start:end])
        return scores

    def _eligible(self, collection: str | None, allowed: RowMask) -> NDArray[np.bool_]:
        eligible = self.alive
        if collection is not None:
            eligible = eligible & (self.collections == self.codes.get(collection, -1))
        return eligible if allowed is None else eligible & allowed

    def _scores(self, vector: Embedding, rows: NDArray[np.int64]) -> list[float]:
        """Cosines in float64, the same for the same two vectors, so that pages do not overlap."""
        double = vector.astype(np.float64)
        scores = [np.empty(0)]
        for number in np.unique(rows // BLOCK_ROWS):
            positions = rows[rows // BLOCK_ROWS == number] % BLOCK_ROWS
            scores.append((self.blocks[number][positions] * double).sum(axis=1))
        found: list[float] = np.clip(np.concatenate(scores), -1.0, 1.0).tolist()
        return found


class VectorLog:
    """Builds snapshots; one thread at a time may extend it while others use older snapshots."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._ids: list[str] = []
        self._positions: dict[str, int] = {}
        self._codes: dict[str | None, int] = {}
        self.snapshot = Snapshot(
            *(0, (), self._ids),
            *(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.bool_)),
            self._codes,
        )

    @property
    def mostly_dead(self) -> bool:
        """True if a reload would free a third of the memory.

        Each image is written twice, when it is indexed and when it is linked.
        """
        rows = len(self._ids)
        return rows > BLOCK_ROWS and 3 * len(self._positions) < 2 * rows

    def extend(self, rows: Sequence[Row]) -> None:
        """Append rows in the order of their seq; the newest row of an id replaces the older one."""
        old = self.snapshot
        found = [row for row in rows if row.vector is not None]
        alive = np.concatenate([old.alive, np.ones(len(found), np.bool_)])
        position = len(self._ids)
        for row in rows:
            if (known := self._positions.pop(row.id, None)) is not None:
                alive[known] = False
            if row.vector is not None:
                self._positions[row.id] = position
                position += 1
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
        """Fill the free rows of the last block, which no snapshot reads, and add blocks."""
        added = np.frombuffer(b"".join(vectors), "<f4").reshape(-1, self._dimension)
        blocks, used = list(self.snapshot.blocks), len(self._ids) % BLOCK_ROWS
        while len(added):
            if used == 0:
                blocks.append(np.zeros((BLOCK_ROWS, self._dimension), np.float32))
            taken = added[: BLOCK_ROWS - used]
            blocks[-1][used : used + len(taken)] = taken
            added, used = added[len(taken) :], 0
        return tuple(blocks)
