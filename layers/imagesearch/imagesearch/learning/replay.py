"""Use case: rank stored opinions by another model, before anything is indexed with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from imagesearch.domain.confidence import half_interval
from imagesearch.domain.images import Embedding
from imagesearch.learning.opinions import Opinion, RatedQuery, rated_queries
from imagesearch.learning.ranking import Pool
from imagesearch.learning.validation import MIN_QUERIES
from imagesearch.search.relevance import Modality

# A text, or the id of an indexed image.
Source: TypeAlias = tuple[Modality, str]


@dataclass(frozen=True)
class Replay:
    """Opinions whose queries another model can embed; `sources` are the queries in their order."""

    opinions: Sequence[Opinion]
    sources: Sequence[Source]

    @property
    def texts(self) -> list[str]:
        return sorted({text for kind, text in self.sources if kind is Modality.TEXT})

    @property
    def images(self) -> list[str]:
        """The ids of the images that another model has to embed."""
        queries = {id for kind, id in self.sources if kind is not Modality.TEXT}
        return sorted(queries | {each.image_id for each in self.opinions})


@dataclass(frozen=True)
class Replayed:
    """The MRR of the model in use and of another one on the same queries.

    margin: half of the 95 % interval of the gain.
    """

    queries: int
    before: float
    after: float
    margin: float

    @property
    def gain(self) -> float:
        return self.after - self.before

    @property
    def verdict(self) -> str:
        if self.queries < MIN_QUERIES:
            return f"too few queries with a liked image: at least {MIN_QUERIES} are needed"
        if abs(self.gain) <= self.margin:
            return "no difference is shown"
        return "ranks better" if self.gain > 0 else "ranks worse"


def replay(
    opinions: Replay, texts: Mapping[str, Embedding], images: Mapping[str, Embedding]
) -> Replayed:
    """Compare the vectors that the opinions have with those of another model, of any dimension.

    Opinions on images, and on queries, that are missing in `texts` and `images` are left out of
    both.
    """
    vectors = {Modality.TEXT: texts, Modality.IMAGE: images}
    kept = [
        (opinion, vectors[kind][query])
        for opinion, (kind, query) in zip(opinions.opinions, opinions.sources, strict=True)
        if query in vectors[kind] and opinion.image_id in images
    ]
    rated = [each for each in rated_queries([opinion for opinion, _ in kept]) if each.liked_ids]
    if not rated:
        return Replayed(0, 0.0, 0.0, 0.0)
    # A rated query has the vector of its first opinion.
    other = {opinion.query.tobytes(): vector for opinion, vector in reversed(kept)}
    moved: list[RatedQuery] = [replace(each, query=other[each.query.tobytes()]) for each in rated]
    pool = Pool.of([opinion for opinion, _ in kept])
    other_pool = Pool(np.stack([images[id] for id in pool.ids]), pool.ids)
    before, after = pool.reciprocal_ranks(rated), other_pool.reciprocal_ranks(moved)
    return Replayed(
        len(rated), float(before.mean()), float(after.mean()), half_interval(after - before)
    )
