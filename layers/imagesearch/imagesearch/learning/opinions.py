"""Opinions: the stored relevance feedback of one model, as votes on images by query.

Only images with an opinion count: an image that was not shown, or not rated, is no evidence against
it. Of several opinions of a user on an image for a query the last one counts, opposite opinions of
several users cancel, and one user has a bounded share of all votes.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imagesearch.domain.images import Embedding
from imagesearch.search.relevance import Modality

# The largest share of the votes of one user, unless there are fewer than four users.
MAX_SHARE = 0.25
# Of one run. The time of a fit grows with the third power of the queries.
MAX_OPINIONS, MAX_QUERIES = 5000, 1000
# Queries with a higher cosine are one: "a cat" and "A cat.".
SAME_QUERY = 0.995
# Votes whose sum is smaller have canceled each other.
_CANCELED = 1e-3
_MODALITIES = {"text": Modality.TEXT, "image": Modality.IMAGE, "id": Modality.IMAGE}
# A vector that was stored with six decimals has this length, give or take.
_LENGTHS = (0.99, 1.01)


@dataclass(frozen=True)
class Opinion:
    """One stored opinion; both vectors are [D], L2-normalized. `user` is a pseudonym, or empty.

    text: of the query; None if it is by image, or if texts are not stored.
    """

    time: str
    modality: Modality
    query: Embedding
    image_id: str
    image: Embedding
    relevant: bool
    user: str = ""
    text: str | None = None


@dataclass(frozen=True)
class RatedQuery:
    """A query [D] with its liked [L, D] and disliked [U, D] images, and their ids.

    weight: in (0, 1]; a query with many opinions counts no more than one, and one of a user with
        many queries less.
    users: those who liked one of the liked images.
    first: the time of the first opinion.
    """

    query: Embedding
    liked: Embedding
    disliked: Embedding
    liked_ids: frozenset[str]
    weight: float
    users: frozenset[str]
    first: str


def read_opinions(
    lines: Iterable[str], model: str, image_space: str, dimension: int
) -> list[Opinion]:
    """The opinions on this model's queries by text and by image, the oldest first.

    Lines that are damaged, of another model, or of a mixed query are skipped.
    """
    found = (_opinion(line, model, image_space, dimension) for line in lines)
    return sorted((each for each in found if each), key=lambda each: each.time)


def _opinion(line: str, model: str, image_space: str, dimension: int) -> Opinion | None:
    try:
        record = json.loads(line)
        modality = _MODALITIES.get(record["query"])
        if modality is None or record["image_space"] != image_space or record["model"] != model:
            return None
        query, image = (_vector(record[name], dimension) for name in _VECTORS)
        relevant, user = record["relevant"], record.get("user", "")
        if not isinstance(relevant, bool) or not isinstance(user, str):
            return None
        text = record.get("query_text")
        return Opinion(
            str(record["time"]),
            modality,
            query,
            str(record["image"]),
            image,
            relevant,
            user,
            text if isinstance(text, str) else None,
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


_VECTORS = ("query_embedding", "image_embedding")


def _vector(numbers: Any, dimension: int) -> Embedding:
    """[D] float32; raises ValueError for anything but a vector of length 1."""
    with np.errstate(over="ignore"):
        vector = np.asarray(numbers, np.float32)
        length = float(np.linalg.norm(vector)) if vector.shape == (dimension,) else np.nan
    if not _LENGTHS[0] <= length <= _LENGTHS[1]:
        raise ValueError("not a unit vector of this dimension")
    return vector / np.float32(length)


def newest(opinions: Sequence[Opinion]) -> list[Opinion]:
    """The newest opinions that one run uses: `MAX_OPINIONS` on `MAX_QUERIES`, the oldest first.

    One user has at most the share `MAX_SHARE` of both, or an equal share of fewer than four users.
    """
    recent = sorted(opinions, key=lambda each: each.time)[::-1]
    share = max(MAX_SHARE, 1 / len({each.user for each in opinions} or {""}))
    own = Counter[str]()
    kept: list[Opinion] = []
    for each in recent:
        if len(kept) < MAX_OPINIONS and own[each.user] < MAX_OPINIONS * share:
            own[each.user] += 1
            kept.append(each)
    return _on_newest_queries(kept, share)[::-1]


def _on_newest_queries(recent: Sequence[Opinion], share: float) -> list[Opinion]:
    if not recent:
        return []
    groups = query_groups(np.stack([each.query for each in recent])).tolist()
    queries: set[int] = set()
    own: dict[str, set[int]] = defaultdict(set)
    kept: list[Opinion] = []
    for group, each in zip(groups, recent, strict=True):
        rated = own[each.user] | {group}
        if len(queries | {group}) <= MAX_QUERIES and len(rated) <= MAX_QUERIES * share:
            queries.add(group)
            own[each.user] = rated
            kept.append(each)
    return kept


def rated_queries(opinions: Sequence[Opinion]) -> list[RatedQuery]:
    """The queries that have votes left after opposite ones have canceled each other."""
    by_query = _by_query(opinions)
    factors = user_factors(_queries_of_users(by_query)) if by_query else {}
    rated = (_rated(images, factors) for images in by_query)
    return [each for each in rated if each]


def user_shares(opinions: Sequence[Opinion]) -> dict[str, float]:
    """The share of each user in all votes, which is bounded."""
    queries = _queries_of_users(_by_query(opinions))
    factors = user_factors(queries) if queries else {}
    kept = {user: factors[user] * count for user, count in queries.items()}
    total = sum(kept.values())
    return {user: count / total for user, count in kept.items()}


_Images: TypeAlias = Mapping[str, Sequence[Opinion]]


def _by_query(opinions: Sequence[Opinion]) -> list[_Images]:
    """The last opinion of each user on each image, by image, for each query."""
    if not opinions:
        return []
    queries = query_groups(np.stack([each.query for each in opinions])).tolist()
    last: dict[tuple[int, str, str], Opinion] = {}
    for number, opinion in zip(queries, opinions, strict=True):
        last[number, opinion.image_id, opinion.user] = opinion
    found: dict[int, dict[str, list[Opinion]]] = defaultdict(lambda: defaultdict(list))
    for (number, image_id, _), opinion in last.items():
        found[number][image_id].append(opinion)
    return list(found.values())


def _queries_of_users(by_query: Sequence[_Images]) -> dict[str, float]:
    """The number of queries of each user; one that several users have rated is divided."""
    found: dict[str, float] = defaultdict(float)
    for images in by_query:
        users = {each.user for opinions in images.values() for each in opinions}
        for user in users:
            found[user] += 1 / len(users)
    return dict(sorted(found.items()))


def _rated(images: _Images, factors: Mapping[str, float]) -> RatedQuery | None:
    signs = {
        id: sum(factors[each.user] * (1 if each.relevant else -1) for each in opinions)
        for id, opinions in images.items()
    }
    liked = [images[id][-1] for id, sign in signs.items() if sign > _CANCELED]
    disliked = [images[id][-1] for id, sign in signs.items() if sign < -_CANCELED]
    if not (liked or disliked):
        return None
    every = [each for opinions in images.values() for each in opinions]
    users = sum(factors[user] for user in {each.user for each in every})
    liked_ids = frozenset(each.image_id for each in liked)
    return RatedQuery(
        every[0].query,
        _stacked(liked, every),
        _stacked(disliked, every),
        liked_ids,
        min(1.0, users, sum(map(abs, signs.values()))),
        frozenset(
            each.user for each in every if each.relevant and signs[each.image_id] > _CANCELED
        ),
        min(each.time for each in every),
    )


def _stacked(opinions: Sequence[Opinion], every: Sequence[Opinion]) -> Embedding:
    if not opinions:
        return np.empty((0, len(every[0].image)), np.float32)
    return np.stack([each.image for each in opinions])


def query_groups(queries: Embedding) -> NDArray[np.int64]:
    """[Q]: the number of the group of equal queries that each of [Q, D] belongs to."""
    groups = np.full(len(queries), -1)
    firsts, count = np.empty_like(queries), 0
    for row, query in enumerate(queries):
        cosines = firsts[:count] @ query
        if count and cosines.max() >= SAME_QUERY:
            groups[row] = int(cosines.argmax())
        else:
            groups[row], firsts[count] = count, query
            count += 1
    return groups


def user_factors(votes: Mapping[str, float]) -> dict[str, float]:
    """The factor in (0, 1] of each user's votes, by which no user exceeds the share `MAX_SHARE`."""
    share = max(MAX_SHARE, 1 / len(votes))
    counts = np.array(list(votes.values()), np.float64)
    # The largest cap that keeps everyone below the share; with equal counts there is none.
    low, high = 0.0, float(counts.max())
    for _ in range(60):
        cap = (low + high) / 2
        kept = np.minimum(counts, cap)
        low, high = (cap, high) if kept.max() <= share * kept.sum() * (1 + 1e-9) else (low, cap)
    kept = np.minimum(counts, low)
    return dict(zip(votes, kept / counts, strict=True))
