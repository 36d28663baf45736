"""Claims about adoption: each condition of the documentation, and runs at the same time."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from imagesearch.learning import opinions, tuning, validation
from imagesearch.learning.fitting import MAX_RANK, Ordinary
from imagesearch.learning.opinions import SAME_QUERY, rated_queries
from imagesearch.learning.ranking import Pool
from imagesearch.learning.tuner import Tuner
from imagesearch.learning.tuning import found_for, samples_of, tune
from imagesearch.learning.validation import (
    MAX_SAMPLE_LOSS,
    MAX_USER_LOSS,
    MIN_QUERIES,
    Change,
    HeldOut,
    Setting,
)
from imagesearch.search import refinement
from imagesearch.search.query_adapter import QueryMap
from imagesearch.search.relevance import Modality
from tests.support.paths import REPOSITORY
from tests.unit.learning.conftest import EACH, GROUPS, PHRASES, unit

NOW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "sentence",
    [
        f"take `like` and `unlike`, up to {refinement.MAX_OPINIONS} ids each",
        f"a matrix of rank {MAX_RANK} at most",
        f"with a cosine of at least {SAME_QUERY} to it, are one group",
        f"on at least {MIN_QUERIES} queries with a liked image",
        f"loses at most {100 * MAX_SAMPLE_LOSS:.0f} point of MRR on the calibration set",
        f"the queries of all users but one more than {100 * MAX_USER_LOSS:.0f} point",
        f"newest {opinions.MAX_OPINIONS:,} opinions on {opinions.MAX_QUERIES:,} queries of text",
        "One user has at most a quarter of both",
        "Five folds of queries",
    ],
)
def test_the_limits_are_those_of_the_documentation(sentence):
    assert (opinions.MAX_SHARE, validation.FOLDS) == (1 / 4, 5)
    assert sentence in (REPOSITORY / "docs/explanation/learning.md").read_text("utf-8")


def adopted_by_another_run(_, adapters):
    adapters.add(replace(adapters.get(1), number=2))


@pytest.mark.parametrize(
    "meanwhile",
    [
        adopted_by_another_run,
        lambda _, adapters: adapters.use(None),
        lambda _, adapters: adapters.mark_forgotten("", "anna"),
        lambda _, adapters: adapters.mark_forgotten("", "somebody else"),
    ],
    ids=["another run", "switched off", "fitted on forgotten opinions", "forgotten opinions"],
)
def test_a_run_adopts_nothing_if_adapters_or_opinions_change_meanwhile(
    world, adapters, derived, meanwhile
):
    """Two runs at once would otherwise give different adapters one number."""
    tune(world.opinions("anna"), world.vectors, world.backgrounds, adapters, NOW)
    better = [*world.opinions("anna"), *world.opinions("anna", phrases=range(4, 8), day=2)]
    now = []

    def read():
        meanwhile(world, adapters)
        now.append(adapters.pointer())
        return better

    tuner = Tuner(derived, adapters, lambda _: world.vectors, lambda: world.backgrounds)
    done = tuner.run(read, NOW)
    assert done.adapter is None
    assert "changed during the run" in done.sentences()[0]
    assert [adapters.pointer()] == now
    assert tuner.run(lambda: better, NOW).adapter.number == now[0].newest + 1


def losing_samples(world):
    """Captions are the words of the users; if they move a little, they find other photos."""
    words = unit(world.queries.reshape(GROUPS, PHRASES, -1).mean(axis=1))
    centers = unit(world.images.reshape(GROUPS, EACH, -1).mean(axis=1))
    own, other = unit(words - 0.1 * centers), unit(words + 0.12 * centers)
    captions, photos = np.concatenate([words, other]), np.concatenate([own, other])
    return replace(world.vectors, captions=captions, photos=photos)


@pytest.mark.parametrize("allowed", [MAX_SAMPLE_LOSS, 1.0])
def test_no_map_that_loses_more_than_a_point_on_the_samples_is_adopted(world, monkeypatch, allowed):
    monkeypatch.setattr(validation, "MAX_SAMPLE_LOSS", allowed)
    result = found_for(Modality.TEXT, world.opinions(), losing_samples(world), world.backgrounds)
    loss = result.samples[0] - result.samples[1]
    assert (result.map is not None and loss > MAX_SAMPLE_LOSS) == (allowed == 1)


PROVEN = HeldOut(12, 0.4, 0.6, 0.1, least_of_others=0.1, change=Change(1, 0.0, 0.1))


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        (PROVEN, ""),
        (replace(PROVEN, margin=0.2 + 1e-6), "the gain is not above its margin of error"),
        (replace(PROVEN, queries=MIN_QUERIES), ""),
        (replace(PROVEN, queries=MIN_QUERIES - 1), "9 queries have a liked image"),
        (replace(PROVEN, least_of_others=-MAX_USER_LOSS), ""),
        (replace(PROVEN, least_of_others=-MAX_USER_LOSS - 1e-6), "others than one user lose"),
        (replace(PROVEN, change=Change(1, -1e-6, 0.1)), "adapter 1 ranks better"),
        (replace(PROVEN, change=None), ""),
    ],
    ids=str,
)
def test_each_condition_of_the_documentation_prevents_a_map(world, monkeypatch, test, reason):
    monkeypatch.setattr(tuning, "held_out", lambda *_: test)
    result = found_for(Modality.TEXT, world.opinions(), world.vectors, world.backgrounds)
    assert result.reason.startswith(reason)
    assert (result.map is not None) == (reason == "")


def test_the_gain_of_others_is_that_of_the_queries_that_somebody_else_liked(world, monkeypatch):
    """A map that exchanges two groups that Ben rated, and Anna did not."""
    rows = {query.tobytes(): row for row, query in enumerate(world.queries)}
    every = [
        replace(each, user="anna" if rows[each.query.tobytes()] < 3 * PHRASES else "ben")
        for each in world.opinions()
    ]
    rated = rated_queries(every)
    setting = Setting(
        Ordinary(world.backgrounds.of(Modality.TEXT).vectors),
        samples_of(Modality.TEXT, world.vectors),
        Pool.of(every),
    )
    words = unit(world.queries.reshape(GROUPS, PHRASES, -1).mean(axis=1))
    centers = unit(world.images.reshape(GROUPS, EACH, -1).mean(axis=1))
    map = QueryMap(centers[3:5], words[[4, 3]])
    monkeypatch.setattr(validation, "fitted_map", lambda *_: map)
    test = validation.held_out(rated, setting)
    gains = {
        user: np.mean(
            [
                setting.pool.reciprocal_ranks([each], map.applied)[0]
                - setting.pool.reciprocal_ranks([each])[0]
                for each in rated
                if each.liked_ids and each.users - {user}
            ]
        )
        for user in ("anna", "ben")
    }
    assert test.least_of_others == pytest.approx(min(gains.values()), abs=1e-6)
    assert gains["anna"] != pytest.approx(gains["ben"], abs=0.01)
