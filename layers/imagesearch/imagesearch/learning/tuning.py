"""Use case: fit a query adapter on the stored opinions, and adopt it only if it proves better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from imagesearch.calibration.evidence import CalibrationVectors
from imagesearch.calibration.relevance_fit import Backgrounds, NothingToFit
from imagesearch.learning.adapters import Adapter, AdapterStore
from imagesearch.learning.fitting import Ordinary
from imagesearch.learning.opinions import Opinion, rated_queries
from imagesearch.learning.ranking import Pool
from imagesearch.learning.relevance_refit import refitted_curves
from imagesearch.learning.validation import (
    MAX_SAMPLE_LOSS,
    MAX_USER_LOSS,
    MIN_QUERIES,
    HeldOut,
    Samples,
    Setting,
    fitted_map,
    held_out,
    loss_of_others,
)
from imagesearch.search.query_adapter import QueryMap
from imagesearch.search.relevance import Modality

# Only users with this share of the opinions are tested one by one, and at most this many.
_TESTED_SHARE, _TESTED_USERS = 0.05, 20
_UNCHANGED = 0.0005


@dataclass(frozen=True)
class Finding:
    """The result for the queries of one modality; `map` is None if none is adopted.

    left_out: the users whose opinions were left out, as they worsened the results of others.
    samples: the MRR of the calibration set without and with the map.
    reason: why no map is adopted; empty if one is.
    """

    modality: Modality
    opinions: int
    queries: int
    held_out: HeldOut
    samples: tuple[float, float]
    map: QueryMap | None
    left_out: tuple[str, ...] = ()
    reason: str = ""

    def sentence(self, adapter: int | None) -> str:
        """Such as `text: 214 opinions on 63 queries: MRR 0.41 → 0.55 on held-out queries …`."""
        test = self.held_out
        verdict = f"adopted as adapter {adapter}" if self.map else f"not adopted: {self.reason}"
        parts = [f"{self.modality.value}: {self.opinions:,} opinions on {self.queries:,} queries"]
        if test.queries >= MIN_QUERIES:
            parts.append(
                f"MRR {test.before:.2f} → {test.after:.2f} on held-out queries"
                f" ({test.gain:+.2f} ± {test.margin:.2f}), {self._samples()}"
            )
        if self.left_out:
            users = "1 user" if len(self.left_out) == 1 else f"{len(self.left_out)} users"
            parts.append(f"opinions of {users} left out, which worsen the results of others")
        return f"{': '.join((*parts, verdict))}."

    def _samples(self) -> str:
        change = self.samples[1] - self.samples[0]
        if abs(change) < _UNCHANGED:
            return "samples unchanged"
        return f"samples {100 * change:+.1f} points"

    def figures(self) -> dict[str, Any]:
        test = self.held_out
        return {
            "opinions": self.opinions,
            "queries": self.queries,
            "held_out_queries": test.queries,
            "mrr_before": round(test.before, 4),
            "mrr_after": round(test.after, 4),
            "margin": round(test.margin, 4),
            "samples_before": round(self.samples[0], 4),
            "samples_after": round(self.samples[1], 4),
        }


@dataclass(frozen=True)
class Tuned:
    """What was found for each modality with opinions, and the new adapter, if one was adopted."""

    findings: Sequence[Finding]
    adapter: Adapter | None

    def sentences(self) -> list[str]:
        number = self.adapter.number if self.adapter else None
        return [each.sentence(number) for each in self.findings]


def tune(
    opinions: Sequence[Opinion],
    vectors: CalibrationVectors,
    backgrounds: Backgrounds,
    store: AdapterStore,
    now: datetime,
) -> Tuned:
    """Fit a map for text and for image queries, store those that prove better, and use them.

    `vectors` and `backgrounds` are those of the model. Raises Unavailable, ConfigurationError.
    """
    findings = [
        found_for(modality, own, vectors, backgrounds)
        for modality in (Modality.TEXT, Modality.IMAGE)
        if (own := [each for each in opinions if each.modality is modality])
    ]
    maps = {each.modality: each.map for each in findings if each.map}
    if not maps:
        return Tuned(findings, None)
    try:
        curves = refitted_curves(vectors, backgrounds, maps)
    except NothingToFit:
        reason = "relevance cannot be fitted with the map"
        return Tuned([replace(each, map=None, reason=reason) for each in findings], None)
    pointer = store.pointer()
    left_out = {user for each in findings for user in each.left_out}
    used = [each for each in opinions if each.modality in maps and each.user not in left_out]
    adapter = Adapter(
        number=pointer.newest + 1,
        space=store.space,
        parent=pointer.number,
        created=now.isoformat(timespec="seconds"),
        opinions=_described(used),
        figures={each.modality.value: each.figures() for each in findings},
        maps=maps,
        curves=curves,
    )
    store.add(adapter)
    return Tuned(findings, adapter)


def found_for(
    modality: Modality,
    opinions: Sequence[Opinion],
    vectors: CalibrationVectors,
    backgrounds: Backgrounds,
) -> Finding:
    """Fit and test the map of one modality; opinions of users who worsen others are left out."""
    setting = Setting(
        Ordinary(backgrounds.of(modality).vectors),
        samples_of(modality, vectors),
        Pool.of(opinions),
    )
    # Only queries with a liked image can be tested.
    testable = sum(bool(each.liked_ids) for each in rated_queries(opinions)) >= MIN_QUERIES
    left_out = _harmful_users(opinions, setting) if testable else ()
    kept = [each for each in opinions if each.user not in left_out]
    rated = rated_queries(kept)
    before = setting.samples.mrr()
    found = Finding(
        modality, len(kept), len(rated), held_out(rated, setting), (before, before), None, left_out
    )
    if found.held_out.queries < MIN_QUERIES:
        reason = (
            f"{found.held_out.queries} queries have a liked image, at least {MIN_QUERIES} are"
            " needed"
        )
        return replace(found, reason=reason)
    map = fitted_map(rated, setting)
    if map is None:
        points = round(100 * MAX_SAMPLE_LOSS)
        return replace(found, reason=f"every map loses more than {points} point on the samples")
    found = replace(found, samples=(before, setting.samples.mrr(map.applied)))
    if not found.held_out.is_better:
        above = found.held_out.gain > found.held_out.margin
        reason = (
            "others than one user lose" if above else "the gain is not above its margin of error"
        )
        return replace(found, reason=reason)
    return replace(found, map=map)


def samples_of(modality: Modality, vectors: CalibrationVectors) -> Samples:
    """Captions, or edits of the photos, that should find their own photo."""
    if modality is Modality.TEXT:
        return Samples(vectors.captions, np.arange(len(vectors.photos)), vectors.photos)
    edits = list(vectors.edits.values())
    return Samples(
        np.concatenate([edit.vectors for edit in edits]),
        np.concatenate([edit.rows for edit in edits]),
        vectors.photos,
    )


def _harmful_users(opinions: Sequence[Opinion], setting: Setting) -> tuple[str, ...]:
    """The users whose opinions lower the held-out MRR of the others by more than the bound."""
    counts = Counter(each.user for each in opinions)
    if len(counts) < 2:
        return ()
    least = _TESTED_SHARE * len(opinions)
    tested = [user for user, count in counts.most_common(_TESTED_USERS) if count >= least]
    every = rated_queries(opinions)
    others = {
        user: rated_queries([each for each in opinions if each.user != user]) for user in tested
    }
    losses = {user: loss_of_others(every, rated, setting) for user, rated in others.items()}
    return tuple(sorted(user for user, loss in losses.items() if loss > MAX_USER_LOSS))


def _described(opinions: Sequence[Opinion]) -> Mapping[str, Any]:
    times = [each.time for each in opinions]
    users = sorted({each.user for each in opinions if each.user})
    return {"count": len(opinions), "first": min(times), "last": max(times), "users": users}
