"""Use case: fit a query adapter on the stored opinions, and adopt it only if it proves better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from imagesearch.calibration.evidence import CalibrationVectors
from imagesearch.calibration.relevance_fit import Backgrounds, NothingToFit
from imagesearch.domain.counts import counted
from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.learning.adapters import Adapter, AdapterStore, Pointer
from imagesearch.learning.fitting import Ordinary
from imagesearch.learning.opinions import (
    Opinion,
    RatedQuery,
    newest,
    rated_queries,
    user_shares,
)
from imagesearch.learning.ranking import Pool
from imagesearch.learning.relevance_refit import refitted_curves
from imagesearch.learning.validation import (
    MAX_SAMPLE_LOSS,
    MAX_USER_LOSS,
    MIN_QUERIES,
    HeldOut,
    InUse,
    Samples,
    Setting,
    fitted_map,
    held_out,
    loss_of_others,
)
from imagesearch.search.query_adapter import QueryMap
from imagesearch.search.relevance import Modality

# Only users with this share of the votes are tested one by one: 20 at most.
_TESTED_SHARE = 0.05
# Users must have less of the votes to be left out. Two users who contradict each other have half
# each, and their opinions do not show which of them is right.
MAX_SHARE_LEFT_OUT = 0.5
_UNCHANGED = 0.0005
# Of the length of a map: the 16-bit numbers of a file differ by less.
_SAME_MAP = 0.01


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
        parts = [
            f"{self.modality.value}: {counted(self.opinions, 'opinion')}"
            f" on {counted(self.queries, 'query', 'queries')}"
        ]
        if test.queries >= MIN_QUERIES:
            parts.append(
                f"MRR {test.before:.2f} → {test.after:.2f} on held-out queries"
                f" ({test.gain:+.2f} ± {test.margin:.2f}), {self._samples()}"
            )
        if change := test.change:
            parts[-1] += (
                f", {change.gain:+.2f} ± {change.margin:.2f} compared with adapter {change.adapter}"
            )
        if self.left_out:
            users = counted(len(self.left_out), "user")
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
    """The finding for each modality with opinions, and the new adapter, if one was adopted."""

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
    since: Pointer | None = None,
) -> Tuned:
    """Fit a map for text and for image queries, store those that prove better, and use them.

    A modality without a new map keeps the one in use. `vectors` and `backgrounds` are those of the
    model. `since` was read before the opinions: if another run has adopted an adapter since, if one
    was switched, or if opinions were deleted, nothing is adopted. Raises Unavailable,
    ConfigurationError.
    """
    since = since or store.pointer()
    current = _current(store, since.number)
    recent = {
        modality: newest([each for each in opinions if each.modality is modality])
        for modality in (Modality.TEXT, Modality.IMAGE)
    }
    findings = [
        found_for(modality, own, vectors, backgrounds, _in_use(current, modality))
        for modality, own in recent.items()
        if own
    ]
    new = {each.modality: each.map for each in findings if each.map}
    if not new:
        return Tuned(findings, None)
    maps = {**(current.maps if current else {}), **new}
    try:
        curves = refitted_curves(vectors, backgrounds, maps, new)
    except NothingToFit:
        return _not_adopted(findings, "relevance cannot be fitted with the map")
    if store.pointer() != since:
        return _not_adopted(
            findings, "adapters or opinions were changed during the run, tune again"
        )
    used = [
        each
        for found in findings
        if found.map
        for each in recent[found.modality]
        if each.user not in found.left_out
    ]
    kept = current if current and set(current.maps) - set(new) else None
    adapter = Adapter(
        number=since.newest + 1,
        space=store.space,
        parent=since.number,
        created=now.isoformat(timespec="seconds"),
        opinions=_described(used, kept),
        figures={each.modality.value: each.figures() for each in findings},
        maps=maps,
        curves={**(kept.curves if kept else {}), **curves},
    )
    store.add(adapter)
    return Tuned(findings, adapter)


def _not_adopted(findings: Sequence[Finding], reason: str) -> Tuned:
    """The same findings; those without a map keep their own reason."""
    return Tuned(
        [replace(each, map=None, reason=reason) if each.map else each for each in findings], None
    )


def found_for(
    modality: Modality,
    opinions: Sequence[Opinion],
    vectors: CalibrationVectors,
    backgrounds: Backgrounds,
    in_use: InUse | None = None,
) -> Finding:
    """Fit and test the map of one modality; opinions of users who worsen others are left out."""
    setting = Setting(
        Ordinary(backgrounds.of(modality).vectors),
        samples_of(modality, vectors),
        Pool.of(opinions),
    )
    testable = _testable(rated_queries(opinions)) >= MIN_QUERIES
    left_out = _harmful_users(opinions, setting) if testable else ()
    kept = [each for each in opinions if each.user not in left_out]
    rated = rated_queries(kept)
    before = setting.samples.mrr()
    test = held_out(rated, setting, in_use)
    found = Finding(modality, len(kept), len(rated), test, (before, before), None, left_out)
    if found.held_out.queries < MIN_QUERIES:
        reason = (
            f"{counted(found.held_out.queries, 'query has', 'queries have')} a liked image,"
            f" at least {MIN_QUERIES} are needed"
        )
        return replace(found, reason=reason)
    map = fitted_map(rated, setting)
    if map is None:
        points = round(100 * MAX_SAMPLE_LOSS)
        return replace(found, reason=f"every map loses more than {points} point on the samples")
    found = replace(found, samples=(before, setting.samples.mrr(map.applied)))
    reason = _objection(found.held_out, _share_left_out(left_out, opinions))
    if in_use and _is_same(map, in_use.map):
        reason = f"adapter {in_use.adapter} has the same map"
    return replace(found, reason=reason) if reason else replace(found, map=map)


def _objection(test: HeldOut, share_left_out: float) -> str:
    """The reason why a map is not adopted; empty if it proves better."""
    # A rounding error must not make a half less than a half.
    if share_left_out > MAX_SHARE_LEFT_OUT - 1e-6:
        return "users contradict each other, and those left out have half of the votes or more"
    if test.gain <= test.margin:
        return "the gain is not above its margin of error"
    if not test.is_better:
        return "others than one user lose"
    if test.change and test.change.is_worse:
        return f"adapter {test.change.adapter} ranks better"
    return ""


def _is_same(map: QueryMap, other: QueryMap) -> bool:
    """True if two maps differ by rounding at most, or by opinions that hardly matter.

    A new version would change no ranking, but make the cursors of all searches invalid.
    """
    own, others = (each.left.T @ each.right for each in (map, other))
    return bool(np.linalg.norm(own - others) <= _SAME_MAP * np.linalg.norm(others))


def _current(store: AdapterStore, number: int | None) -> Adapter | None:
    """The adapter in use; None without one, or if its file cannot be used."""
    try:
        return None if number is None else store.get(number)
    except (ConfigurationError, NotFound):
        return None


def _in_use(adapter: Adapter | None, modality: Modality) -> InUse | None:
    map = adapter.maps.get(modality) if adapter else None
    return InUse(map, adapter.number, str(adapter.opinions["last"])) if adapter and map else None


def _share_left_out(users: Sequence[str], opinions: Sequence[Opinion]) -> float:
    """The share of these users in the votes; 0 if they have too few queries to prove anything."""
    own = rated_queries([each for each in opinions if each.user in users])
    if _testable(own) < MIN_QUERIES:
        return 0.0
    shares = user_shares(opinions)
    return sum(shares[user] for user in users)


def _testable(rated: Sequence[RatedQuery]) -> int:
    """The number of queries with a liked image: only these can be tested."""
    return sum(bool(each.liked_ids) for each in rated)


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
    """The users whose opinions lower the held-out MRR of the others by more than the bound.

    The most harmful one is left out before the next one is tested: the others must not appear to
    worsen its queries.
    """
    kept, found = list(opinions), []
    while losses := _losses_of_others(kept, setting):
        worst = max(losses, key=lambda user: losses[user])
        if losses[worst] <= MAX_USER_LOSS:
            break
        found.append(worst)
        kept = [each for each in kept if each.user != worst]
    return tuple(sorted(found))


def _losses_of_others(opinions: Sequence[Opinion], setting: Setting) -> dict[str, float]:
    """The loss of the others by each user with a large share of the votes; none for one user."""
    shares = user_shares(opinions)
    if len(shares) < 2:
        return {}
    tested = [user for user, share in shares.items() if share >= _TESTED_SHARE]
    every = rated_queries(opinions)
    others = {
        user: rated_queries([each for each in opinions if each.user != user]) for user in tested
    }
    return {user: loss_of_others(every, rated, setting) for user, rated in others.items()}


def _described(opinions: Sequence[Opinion], kept: Adapter | None) -> Mapping[str, Any]:
    """The opinions of the new maps, and of the adapter of which a map is kept."""
    times = [each.time for each in opinions]
    users = {each.user for each in opinions if each.user}
    count = len(opinions)
    if kept:
        times += [str(kept.opinions["first"]), str(kept.opinions["last"])]
        users |= set(kept.opinions["users"])
        count += int(kept.opinions["count"])
    return {"count": count, "first": min(times), "last": max(times), "users": sorted(users)}
