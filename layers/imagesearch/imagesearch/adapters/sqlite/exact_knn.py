"""The embedded index's vectors in memory, and exact k-NN over them.

Rows are only ever appended; a search works on an immutable snapshot and needs no lock.
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
# Far above what float32 sums of up to some thousand products can be off, far below 1e-4.
MARGIN = 2e-5
# Rows that stay in a core's cache while one query after the other is compared with them.
CACHED_ROWS = 256


# Which of the rows may be found, [N]; None: all.
Allowed: TypeAlias = NDArray[np.bool_] | None


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

    def nearest(self, query: VectorQuery, allowed: Allowed = None) -> list[Match]:
        """The query's matches, scores exact to float64; score descending, then id ascending."""
        return self.nearest_of_each([query], [allowed])[0]

    def nearest_of_each(
        self, queries: Sequence[VectorQuery], allowed: Sequence[Allowed]
    ) -> list[list[Match]]:
        """The matches of each query in one walk through the vectors."""
        rough = self._rough_scores([query.embedding for query in queries])
        return [
            self._matches(query, self._candidates(query, scores, seqs))
            for query, scores, seqs in zip(queries, rough, allowed, strict=True)
        ]

    def _matches(self, query: VectorQuery, rows: NDArray[np.int64]) -> list[Match]:
        scores = self._scores(query.embedding, rows)
        found = sorted(
            (-score, self.ids[row], row) for row, score in zip(rows.tolist(), scores, strict=True)
        )
        behind = (-query.after.score, query.after.id) if query.after else None
        least = -np.inf if query.min_score is None else query.min_score
        matches = (
            Match(int(self.seqs[row]), id, -negative)
            for negative, id, row in found
            if id not in query.exclude and -negative >= least
            if behind is None or (negative, id) > behind
        )
        return list(islice(matches, query.limit))

    def _candidates(
        self, query: VectorQuery, rough: Embedding, allowed: Allowed
    ) -> NDArray[np.int64]:
        """Rows that hold all matches: a row's float32 sum depends on its neighbours, a little."""
        rows: NDArray[np.int64] = np.flatnonzero(self._eligible(query.collection, allowed))
        scores = rough[rows]
        least = -np.inf if query.min_score is None else query.min_score - MARGIN
        most = query.after.score + MARGIN if query.after else np.inf
        within = (scores >= least) & (scores <= most)
        # What cannot be found is left out first: to select among many equal numbers is slow.
        rows, scores = rows[within], scores[within]
        wanted = query.limit + len(query.exclude)
        if query.after:
            wanted += int(np.count_nonzero(scores > query.after.score - MARGIN))
        if wanted < len(rows):
            last = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
            rows = rows[scores >= last - MARGIN]
        return rows

    def _rough_scores(self, vectors: Sequence[Embedding]) -> Embedding:
        """Not by matmul: memory bounds a scan, and BLAS threads wait 100 ms on a busy machine."""
        scores = np.empty((len(vectors), len(self.seqs)), np.float32)
        step = BLOCK_ROWS if len(vectors) == 1 else CACHED_ROWS
        for start in range(0, len(self.seqs), step):
            end = min(start + step, len(self.seqs))
            first = start % BLOCK_ROWS
            block = self.blocks[start // BLOCK_ROWS][first : first + end - start]
            for vector, found in zip(vectors, scores, strict=True):
                np.einsum("ij,j->i", block, vector, out=found[start:end])
        return scores

    def _eligible(self, collection: str | None, allowed: Allowed) -> NDArray[np.bool_]:
        eligible = self.alive
        if collection is not None:
            eligible = eligible & (self.collections == self.codes.get(collection, -1))
        return eligible if allowed is None else eligible & allowed

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
        """Whether loading anew would free a third of the memory.

        Each image is written twice, as it is indexed and as it is linked: half of the rows die.
        """
        rows = len(self._ids)
        return rows > BLOCK_ROWS and 3 * len(self._places) < 2 * rows

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
