"""Tests of a query map on opinions that it was not fitted on, by cross-validation over queries.

All opinions on a query are in one fold. The strength of a map is chosen inside each training part,
so that the held-out queries decide about nothing but the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.confidence import half_interval
from imagesearch.domain.images import Embedding
from imagesearch.learning.fitting import (
    RIDGES,
    STRENGTHS,
    Ordinary,
    Shift,
    Strength,
    fitted_shift,
)
from imagesearch.learning.opinions import SAME_QUERY, RatedQuery
from imagesearch.learning.ranking import Move, Pool
from imagesearch.search.query_adapter import QueryMap

FOLDS, INNER_FOLDS = 5, 3
# With fewer, the interval of the gain says nothing.
MIN_QUERIES = 10
# Of MRR, in [0, 1].
MAX_SAMPLE_LOSS = 0.01
MAX_USER_LOSS = 0.01


@dataclass(frozen=True)
class Samples:
    """Queries [S, D] of the calibration set, and the rows [S] of their photos in [N, D]."""

    queries: Embedding
    own: NDArray[np.int64]
    photos: Embedding

    def mrr(self, move: Move | None = None) -> float:
        """The mean reciprocal rank of the own photos; a tie counts as lower."""
        scores = (move(self.queries) if move else self.queries) @ self.photos.T
        own = scores[np.arange(len(self.own)), self.own][:, None]
        return float((1 / (scores >= own).sum(axis=1)).mean())

    def are_kept(self, move: Move) -> bool:
        return self.mrr(move) >= self.mrr() - MAX_SAMPLE_LOSS


@dataclass(frozen=True)
class Setting:
    """Everything that maps of one modality are fitted and tested with."""

    ordinary: Ordinary
    samples: Samples
    pool: Pool


@dataclass(frozen=True)
class InUse:
    """The map in use of one modality, the number of its adapter, and the time of its last opinion.

    A query that was first rated later is one that the map was not fitted on.
    """

    map: QueryMap
    adapter: int
    last: str


@dataclass(frozen=True)
class Change:
    """The gain in held-out MRR over the adapter in use, and half of its 95 % interval."""

    adapter: int
    gain: float
    margin: float

    @property
    def is_worse(self) -> bool:
        """Without the margin: with few queries, a loss of 20 points is within it."""
        return self.gain < 0


@dataclass(frozen=True)
class HeldOut:
    """The MRR of held-out queries without and with a map.

    margin: half of the 95 % interval of the gain.
    least_of_others: the least gain of the queries of others than one user, over the users.
    change: compared with the adapter in use; None if there is none.
    """

    queries: int
    before: float
    after: float
    margin: float
    least_of_others: float = 0.0
    change: Change | None = None

    @property
    def gain(self) -> float:
        return self.after - self.before

    @property
    def is_better(self) -> bool:
        return self.gain > self.margin and self.least_of_others >= -MAX_USER_LOSS


def held_out(rated: Sequence[RatedQuery], setting: Setting, in_use: InUse | None = None) -> HeldOut:
    """Cross-validate on the queries with a liked image."""
    tested: list[RatedQuery] = []
    before, after = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
    for train, test in folds(rated, FOLDS):
        if not test:
            continue
        map = fitted_map(train, setting)
        tested += test
        before.append(setting.pool.reciprocal_ranks(test))
        after.append(setting.pool.reciprocal_ranks(test, map.applied) if map else before[-1])
    first, second = np.concatenate(before), np.concatenate(after)
    if not len(first):
        return HeldOut(0, 0.0, 0.0, 0.0)
    gains = second - first
    return HeldOut(
        len(first),
        float(first.mean()),
        float(second.mean()),
        # Infinite for a single query, which JSON cannot state; it is too few in any case.
        half_interval(gains) if len(gains) > 1 else 0.0,
        _least_of_others(tested, gains),
        _change(tested, second, setting, in_use) if in_use else None,
    )


def _change(
    tested: Sequence[RatedQuery], after: Embedding, setting: Setting, in_use: InUse
) -> Change:
    """On queries that the map in use was not fitted on either, if there are enough of them.

    They are enough if others than one user have rated enough of them; on all queries otherwise, on
    which the map in use has the advantage: one user cannot replace it by queries of its own.
    """
    gains = after - setting.pool.reciprocal_ranks(tested, in_use.map.applied)
    later = np.array([each.first > in_use.last for each in tested])
    everyone = {user for each in tested for user in each.users}
    others = [np.array([each.users != {user} for each in tested]) for user in everyone]
    if len(everyone) < 2:
        others = [np.ones(len(tested), bool)]
    if min((rows & later).sum() for rows in others) >= MIN_QUERIES:
        gains = gains[later]
    margin = half_interval(gains) if len(gains) > 1 else 0.0
    return Change(in_use.adapter, float(gains.mean()), margin)


def _least_of_others(tested: Sequence[RatedQuery], gains: NDArray[np.floating]) -> float:
    users = {user for each in tested for user in each.users}
    others = [np.array([bool(each.users - {user}) for each in tested]) for user in users]
    means = [float(gains[rows].mean()) for rows in others if rows.sum() >= MIN_QUERIES]
    return min(means, default=0.0)


def fitted_map(rated: Sequence[RatedQuery], setting: Setting) -> QueryMap | None:
    """The map of the best strength; None if every strength loses samples, or nothing is liked.

    A map of low rank may lose samples that the one of full rank keeps: the next strength is tried.
    """
    for strength in best_strengths(rated, setting):
        map = fitted_shift(rated, setting.ordinary, strength.ridge).times(strength.step).low_rank()
        if setting.samples.are_kept(map.applied):
            return map
    return None


def best_strengths(rated: Sequence[RatedQuery], setting: Setting) -> list[Strength]:
    """The strengths that keep the samples, the one that ranks held-out queries best first."""
    if not any(len(each.liked) for each in rated):
        return []
    allowed = [
        strength
        for strength, shift in _shifts(rated, setting.ordinary)
        if setting.samples.are_kept(shift)
    ]
    if not allowed:
        return []
    found = dict.fromkeys(allowed, 0.0)
    for train, test in folds(rated, INNER_FOLDS):
        if not (train and test):
            continue
        weights = np.array([each.weight for each in test])
        for strength, shift in _shifts(train, setting.ordinary):
            if strength in found:
                found[strength] += float(weights @ setting.pool.reciprocal_ranks(test, shift))
    return sorted(allowed, key=lambda strength: -found[strength])


def _shifts(rated: Sequence[RatedQuery], ordinary: Ordinary) -> list[tuple[Strength, Shift]]:
    units = {ridge: fitted_shift(rated, ordinary, ridge) for ridge in RIDGES}
    return [(each, units[each.ridge].times(each.step)) for each in STRENGTHS]


def folds(
    rated: Sequence[RatedQuery], count: int
) -> list[tuple[list[RatedQuery], list[RatedQuery]]]:
    """Pairs of training queries and held-out queries with a liked image; equal for equal input."""
    order = np.random.default_rng(0).permutation(len(rated))
    fold = np.empty(len(rated), np.int64)
    fold[order] = np.arange(len(rated)) % count
    return [
        (
            [each for each, own in zip(rated, fold, strict=True) if own != number],
            [
                each
                for each, own in zip(rated, fold, strict=True)
                if own == number and each.liked_ids
            ],
        )
        for number in range(count)
    ]


def loss_of_others(
    every: Sequence[RatedQuery],
    others: Sequence[RatedQuery],
    setting: Setting,
) -> float:
    """The held-out MRR that the queries of the others lose by the opinions of one user.

    A loss that is within its margin of error is 0.

    every, others: the rated queries with and without the opinions of this user.
    """
    # The strength that is best without the user: with contradictions, no map may be best.
    strength = next(iter(best_strengths(others, setting)), None)
    if strength is None:
        return 0.0
    losses = [np.empty(0, np.float32)]
    for train, test in folds(others, FOLDS):
        if not (train and test):
            continue
        with_user = _without_queries(every, test)
        ranks = [
            setting.pool.reciprocal_ranks(
                test, fitted_shift(part, setting.ordinary, strength.ridge).times(strength.step)
            )
            for part in (train, with_user)
            if part
        ]
        if len(ranks) == 2:
            losses.append(ranks[0] - ranks[1])
    found = np.concatenate(losses)
    if len(found) < MIN_QUERIES or found.mean() <= half_interval(found):
        return 0.0
    return float(found.mean())


def _without_queries(
    rated: Sequence[RatedQuery], removed: Sequence[RatedQuery]
) -> list[RatedQuery]:
    vectors = np.stack([each.query for each in removed])
    return [each for each in rated if (vectors @ each.query).max() < SAME_QUERY]
