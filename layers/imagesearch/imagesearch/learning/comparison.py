"""Use case: compare adapters on the opinions on later searches than each was fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.learning.adapters import Adapter, AdapterStore
from imagesearch.learning.opinions import Opinion, rated_queries
from imagesearch.learning.ranking import Pool
from imagesearch.search.relevance import Modality


@dataclass(frozen=True)
class Compared:
    """The MRR without and with an adapter; None if no later opinion likes an image."""

    number: int
    modality: Modality
    queries: int
    mrr: tuple[float, float] | None


def compared(store: AdapterStore, opinions: Sequence[Opinion]) -> Iterator[Compared]:
    """A comparison for each map of each adapter. Raises Unavailable.

    Damaged and missing files are omitted.
    """
    for number in range(1, store.pointer().newest + 1):
        try:
            adapter = store.get(number)
        except (ConfigurationError, NotFound):
            continue
        for modality in adapter.maps:
            yield _compared(adapter, modality, opinions)


def _compared(adapter: Adapter, modality: Modality, opinions: Sequence[Opinion]) -> Compared:
    last = str(adapter.opinions["last"])
    later = [each for each in opinions if each.modality is modality and each.time > last]
    rated = [each for each in rated_queries(later) if each.liked_ids]
    if not rated:
        return Compared(adapter.number, modality, 0, None)
    pool = Pool.of(later)
    before = float(pool.reciprocal_ranks(rated).mean())
    after = float(pool.reciprocal_ranks(rated, adapter.maps[modality].applied).mean())
    return Compared(adapter.number, modality, len(rated), (before, after))
