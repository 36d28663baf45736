"""A hostile user among honest ones: what `tune` adopts, and what it does to results of others.

The hostile user rates queries of its own choice, also those that no other user has rated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.collections import Collection, Sight
from benchmarks.learning.weeks import UNSEEN, mrr, opinions
from imagesearch.calibration.evidence import CalibrationVectors
from imagesearch.calibration.relevance_fit import Backgrounds
from imagesearch.learning.opinions import Opinion, newest
from imagesearch.learning.tuning import Finding, found_for
from imagesearch.search.relevance import Modality

HONEST = (1, 2, 3, 5)
SIZE = 800
# Images that are liked, and disliked, for each query of an attack.
_IMAGES = 3
_WORDS = 5
_MALLORY = "mallory"


@dataclass(frozen=True)
class Scene:
    """A collection with the opinions of honest users on some of its queries.

    rated, unrated: rows of queries; the honest users have rated the first ones.
    """

    sight: Sight
    collection: Collection
    rated: Sequence[int]
    unrated: Sequence[int]
    honest: Sequence[Opinion]


@dataclass(frozen=True)
class Result:
    """The MRR of queries without honest opinions: untuned, tuned without and with the attack."""

    untuned: float
    honest: float
    attacked: float
    found: Finding


def scene(sight: Sight, collection: Collection, users: int, size: int) -> Scene:
    """`size` opinions or a few more of `users`, who each rate other queries."""
    order = np.random.default_rng(1).permutation(len(collection.queries))
    cut = len(order) // UNSEEN
    rated: list[int] = []
    honest: list[Opinion] = []
    for number, row in enumerate(map(int, order[cut:])):
        own = opinions(sight, collection, [row], seed=number, rounds=1)
        honest += [replace(each, user=f"user {number % users}") for each in own]
        rated.append(row)
        if len(honest) >= size:
            break
    return Scene(sight, collection, rated, order[:cut].tolist(), honest)


def opposite(scene: Scene) -> Iterator[Opinion]:
    """The opposite of every honest opinion, on the same pages of hits."""
    for number, row in enumerate(scene.rated):
        every = opinions(scene.sight, scene.collection, [row], wrong=1.0, seed=number, rounds=1)
        yield from (replace(each, user=_MALLORY) for each in every)


def exchanged(scene: Scene) -> Iterator[Opinion]:
    """For every query, images of another group are liked, and the right ones disliked."""
    yield from _exchanged(scene, [*scene.rated, *scene.unrated])


def unrated(scene: Scene) -> Iterator[Opinion]:
    """As `exchanged`, only for the queries that no other user has rated."""
    yield from _exchanged(scene, scene.unrated)


def few_words(scene: Scene) -> Iterator[Opinion]:
    """As `exchanged`, for the queries with a few of the words."""
    rows = [*scene.rated, *scene.unrated]
    yield from _exchanged(scene, [row for row in rows if scene.collection.wanted[row] < _WORDS])


def flood(scene: Scene) -> Iterator[Opinion]:
    """As `few_words`, in four spellings of each query."""
    draw = np.random.default_rng(7)
    for each in few_words(scene):
        for _ in range(4):
            noise = draw.normal(size=each.query.shape) * 0.15 / np.sqrt(len(each.query))
            query = each.query + noise
            yield replace(each, query=np.asarray(query / np.linalg.norm(query), np.float32))


def promotion(scene: Scene) -> Iterator[Opinion]:
    """One image is liked for every query."""
    for row in (*scene.rated, *scene.unrated):
        yield _opinion(scene, row, 0, relevant=True)


ATTACKS: dict[str, Callable[[Scene], Iterator[Opinion]]] = {
    "opposite opinions": opposite,
    "exchanged groups": exchanged,
    "exchanged groups, unrated queries": unrated,
    "exchanged groups, few words": few_words,
    "exchanged groups, few words, flood": flood,
    "one image for every query": promotion,
}


def _exchanged(scene: Scene, rows: Sequence[int]) -> Iterator[Opinion]:
    draw = np.random.default_rng(5)
    groups = len(scene.sight.names)
    for row in rows:
        right = int(scene.collection.wanted[row])
        for group, relevant in (((right + 1) % groups, True), (right, False)):
            members = np.flatnonzero(scene.sight.group == group)
            for image in draw.choice(members, _IMAGES, replace=False):
                yield _opinion(scene, row, int(image), relevant=relevant)


def _opinion(scene: Scene, row: int, image: int, *, relevant: bool) -> Opinion:
    return Opinion(
        f"2026-01-02T00:00:00.{row:06}",
        Modality.TEXT,
        scene.collection.queries[row],
        str(image),
        scene.sight.images[image],
        relevant,
        _MALLORY,
    )


def results(
    scene: Scene, vectors: CalibrationVectors, backgrounds: Backgrounds
) -> Iterator[tuple[str, Result]]:
    """The result of each attack, by its name."""
    rows = np.array(scene.unrated)
    untuned = _mrr(scene, rows, None)
    alone = found_for(Modality.TEXT, scene.honest, vectors, backgrounds)
    honest = _mrr(scene, rows, alone)
    for name, attack in ATTACKS.items():
        given = newest([*scene.honest, *attack(scene)])
        found = found_for(Modality.TEXT, given, vectors, backgrounds)
        yield name, Result(untuned, honest, _mrr(scene, rows, found), found)


def _mrr(scene: Scene, rows: NDArray[np.int64], found: Finding | None) -> float:
    queries = scene.collection.queries[rows]
    map = found.map if found else None
    return mrr(scene.sight, scene.collection, rows, map.applied(queries) if map else queries)
