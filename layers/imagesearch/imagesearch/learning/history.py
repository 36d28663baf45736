"""The history of tuning: what each run found, adopted or not, in one file beside the adapters."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, get_type_hints

from imagesearch.domain.ports import DerivedStore
from imagesearch.domain.storage_keys import ADAPTERS
from imagesearch.learning.adapters import Space
from imagesearch.learning.tuning import Tuned

# A daily run of both modalities is kept for a year.
MAX_RUNS = 730
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """The result of one run for one modality; `adapter` is the number of the adopted version.

    users_left_out: the number of users whose opinions worsened the results of others.
    """

    time: str
    modality: str
    opinions: int
    queries: int
    held_out_queries: int
    mrr_before: float
    mrr_after: float
    margin: float
    samples_before: float
    samples_after: float
    users_left_out: int
    adapter: int | None
    reason: str


class History:
    """The runs for one model; methods raise Unavailable."""

    def __init__(self, store: DerivedStore, space: Space) -> None:
        self._store = store
        self._key = f"{ADAPTERS}{space.digest}/history.json"

    def runs(self) -> list[Run]:
        """The newest `MAX_RUNS`, oldest first; a damaged file has none."""
        data = self._store.get(self._key)
        try:
            return [_run(fields) for fields in json.loads(data or b"[]")]
        except (ValueError, TypeError, RecursionError) as error:
            log.warning("the history of tuning is damaged: %s", error)
            return []

    def add(self, tuned: Tuned, now: datetime) -> None:
        runs = [*self.runs(), *runs_of(tuned, now)][-MAX_RUNS:]
        content = json.dumps([asdict(each) for each in runs], indent=1, allow_nan=False)
        self._store.put(self._key, content.encode(), "application/json")


def _run(fields: dict[str, Any]) -> Run:
    """Raises TypeError or ValueError for other fields or types than those of a run."""
    run = Run(**fields)
    for name, kind in get_type_hints(Run).items():
        value = getattr(run, name)
        if not isinstance(value, kind | int if kind is float else kind):
            raise TypeError(f"its {name} is {value!r:.40}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"its {name} is not finite")
    return run


def runs_of(tuned: Tuned, now: datetime) -> Sequence[Run]:
    """A run for each modality with opinions."""
    number = tuned.adapter.number if tuned.adapter else None
    return [
        Run(
            time=now.isoformat(timespec="seconds"),
            modality=each.modality.value,
            **each.figures(),
            users_left_out=len(each.left_out),
            adapter=number if each.map else None,
            reason=each.reason,
        )
        for each in tuned.findings
    ]
