"""Claims about `tune`: what is adopted, what is refused, and what a hostile user can change."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from imagesearch.learning import opinions, tuning, validation
from imagesearch.learning.fitting import Ordinary, Shift, fitted_shift
from imagesearch.learning.opinions import Opinion, rated_queries
from imagesearch.learning.ranking import Pool
from imagesearch.learning.tuning import found_for, samples_of, tune
from imagesearch.learning.validation import MAX_SAMPLE_LOSS, MAX_USER_LOSS, InUse, Setting
from imagesearch.search.relevance import Curve, Modality
from tests.unit.learning.conftest import EACH, GROUPS, PHRASES, make_world, unit

NOW = datetime(2026, 2, 1, tzinfo=UTC)
HONEST = ("anna", "ben", "carla")
STRENGTHS = validation.best_strengths


def found(world, opinions):
    return found_for(Modality.TEXT, opinions, world.vectors, world.backgrounds)


def test_words_of_the_users_are_learned_for_queries_without_opinions(world):
    result = found(world, world.opinions())
    assert result.held_out.gain > result.held_out.margin > 0
    assert world.mrr(result.map) > world.mrr() + 0.2
    assert result.samples[1] >= result.samples[0] - MAX_SAMPLE_LOSS


def test_nothing_is_adopted_where_nothing_is_to_be_gained():
    world = make_world(own_words=False)
    result = found(world, world.opinions())
    assert result.map is None
    assert "not adopted: the gain is not above its margin of error" in result.sentence(None)


def test_few_opinions_are_not_enough(world):
    result = found(world, world.opinions(phrases=range(1)))
    assert result.map is None
    assert "at least 10 are needed" in result.reason


def test_an_adopted_adapter_is_stored_with_figures_curves_and_parent(world, adapters):
    first = tune(world.opinions(), world.vectors, world.backgrounds, adapters, NOW)
    assert "adopted as adapter 1." in first.sentences()[0]
    more = [*world.opinions(), *world.opinions(phrases=range(4, 8), day=2)]
    second = tune(more, world.vectors, world.backgrounds, adapters, NOW)
    assert "compared with adapter 1: adopted as adapter 2." in second.sentences()[0]
    assert (second.adapter.number, second.adapter.parent) == (2, 1)
    stored = adapters.get(2)
    assert stored.to_bytes() == second.adapter.to_bytes()
    assert set(stored.curves) == {Modality.TEXT, Modality.MIXED}
    assert adapters.pointer().number == 2


def wrong(opinions, share):
    draw = np.random.default_rng(1)
    return [replace(each, relevant=each.relevant != (draw.random() < share)) for each in opinions]


@pytest.mark.parametrize(
    "worse",
    [
        lambda world: world.opinions(phrases=range(2), day=2),
        lambda world: wrong(world.opinions(), 0.4),
    ],
    ids=["fewer opinions", "wrong opinions"],
)
def test_an_adapter_does_not_replace_one_that_ranks_better(world, adapters, worse):
    tune(world.opinions(), world.vectors, world.backgrounds, adapters, NOW)
    second = tune(worse(world), world.vectors, world.backgrounds, adapters, NOW)
    assert second.adapter is None
    assert "compared with adapter 1: not adopted: adapter 1 ranks better." in second.sentences()[0]
    assert adapters.pointer().number == 1
    adapters.use(None)
    third = tune(worse(world), world.vectors, world.backgrounds, adapters, NOW)
    assert third.adapter.number == 2


def test_a_run_without_new_opinions_adopts_nothing(world, adapters):
    """Another version would invalidate the cursors of all searches and rank alike."""
    tune(world.opinions(), world.vectors, world.backgrounds, adapters, NOW)
    second = tune(world.opinions(), world.vectors, world.backgrounds, adapters, NOW)
    assert second.sentences()[0].endswith("not adopted: adapter 1 has the same map.")
    assert adapters.pointer().newest == 1
    more = [*world.opinions(phrases=range(PHRASES // 2)), *world.opinions("ben")]
    adapters.use(None)
    assert tune(more, world.vectors, world.backgrounds, adapters, NOW).adapter.number == 2


@pytest.mark.parametrize("cause", ["forgotten opinions", "damage"])
def test_a_better_adapter_that_cannot_be_used_is_replaced(world, adapters, derived, space, cause):
    tune(world.opinions("anna"), world.vectors, world.backgrounds, adapters, NOW)
    if cause == "damage":
        derived.put(f"adapters/{space.digest}/1.json", b"{", "application/json")
    else:
        assert adapters.mark_forgotten("", "anna") == [1]
    second = tune(world.opinions(day=2), world.vectors, world.backgrounds, adapters, NOW)
    assert second.findings[0].held_out.change is None
    assert adapters.pointer().number == 2


@pytest.mark.parametrize("user", ["anna", "ben"])
def test_queries_of_one_user_are_not_enough_to_compare_with_the_adapter_in_use(world, user):
    """Those of a user alone are compared together with the older ones of others."""
    old, new = world.opinions("anna"), world.opinions(user, phrases=range(4, 8), day=2)
    in_use = InUse(found(world, old).map, 1, old[-1].time)
    every = [*old, *new]
    result = found_for(Modality.TEXT, every, world.vectors, world.backgrounds, in_use).held_out
    compared = rated_queries(new if user == "anna" else every)
    before = Pool.of(every).reciprocal_ranks(compared, in_use.map.applied).mean()
    on_all = result.after - before
    assert (result.change.gain == pytest.approx(on_all, abs=1e-6)) == (user == "ben")


def test_the_map_of_image_queries_is_kept_if_only_that_of_texts_is_new(world, adapters):
    first = tune(world.opinions("anna"), world.vectors, world.backgrounds, adapters, NOW).adapter
    curve = Curve(9.0, 0.1, 0.4)
    maps = {Modality.IMAGE: first.maps[Modality.TEXT]}
    adapters.add(replace(first, number=2, maps=maps, curves={Modality.IMAGE: curve}))
    later = world.opinions("ben", day=2)
    third = tune(later, world.vectors, world.backgrounds, adapters, NOW).adapter
    kept = third.maps[Modality.IMAGE]
    assert np.array_equal(kept.left, maps[Modality.IMAGE].left)
    assert third.curves[Modality.IMAGE] == curve
    assert set(third.curves) == set(Modality)
    assert third.opinions["users"] == ["anna", "ben"]
    assert third.opinions["first"] == first.opinions["first"]
    assert third.opinions["count"] == len(later) + first.opinions["count"]


def test_a_run_uses_the_newest_opinions_within_the_limit(world, adapters, monkeypatch):
    monkeypatch.setattr(opinions, "MAX_OPINIONS", 100)
    given = [*world.opinions("anna"), *world.opinions("mallory", day=2)]
    [finding] = tune(given, world.vectors, world.backgrounds, adapters, NOW).findings
    assert finding.opinions == 100


def test_image_queries_are_not_moved_by_opinions_on_text_queries(world, adapters):
    tuned = tune(world.opinions(), world.vectors, world.backgrounds, adapters, NOW)
    adapter = tuned.adapter.query_adapter
    query = world.images[0]
    assert adapter.adapted(query, Modality.IMAGE) is query
    assert adapter.adapted(query, Modality.TEXT) is not query


@cache
def mrr_of_honest_users() -> float:
    world = make_world(own_words=True)
    honest = [each for user in HONEST for each in world.opinions(user)]
    return world.mrr(found(world, honest).map)


@pytest.mark.parametrize("times", [1, 8])
def test_a_hostile_user_cannot_worsen_the_results_of_others(world, times):
    honest = [each for user in HONEST for each in world.opinions(user)]
    hostile = [
        each
        for number in range(times)
        for each in world.opinions("mallory", range(8), upside_down=True, day=number + 2)
    ]
    result = found(world, [*honest, *hostile])
    assert result.left_out == ("mallory",)
    assert "opinions of 1 user left out" in result.sentence(1)
    assert world.mrr(result.map) >= mrr_of_honest_users() - MAX_USER_LOSS


def test_a_few_opinions_of_a_hostile_user_are_tested_against_one_other(world):
    """Six opinions have the half of two users, as those of the other one are reduced."""
    honest = world.opinions("anna")
    alone = world.mrr(found(world, honest).map)
    lies = [
        replace(each, user="mallory", relevant=True)
        for each in world.opinions("mallory", [4], upside_down=True)
        if each.relevant
    ]
    result = found(world, [*honest, *lies])
    assert result.left_out == ("mallory",)
    assert world.mrr(result.map) >= alone - MAX_USER_LOSS


def test_a_user_who_contradicts_every_opinion_prevents_an_adapter(world):
    honest = world.opinions("anna")
    opposite = [replace(each, user="mallory", relevant=not each.relevant) for each in honest]
    result = found(world, [*honest, *opposite])
    assert (result.map, result.left_out) == (None, ())
    assert result.reason.startswith("0 queries have a liked image")


@pytest.mark.parametrize("own_words", [True, False])
@pytest.mark.parametrize("users", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", [1, 2])
def test_no_lie_of_one_user_costs_others_more_than_the_bound(users, own_words, seed):
    """A made attacker likes images of other groups for words, also in spellings of its own."""
    world, draw = make_world(own_words), np.random.default_rng([users, seed])
    rated = np.array_split(draw.permutation(4), min(users, 4))
    honest = [
        each
        for user in range(users)
        for each in world.opinions(f"user {user}", rated[user % len(rated)].tolist())
    ]
    lies = list(attack(world, draw))
    untuned = world.mrr()
    result = found(world, [*honest, *lies])
    assert world.mrr(result.map) >= untuned - MAX_USER_LOSS


def attack(world, draw):
    """Opinions on a random part of the queries, with a permutation of some of the groups."""
    lied = draw.permutation(GROUPS)[: draw.integers(2, GROUPS + 1)]
    target = dict(zip(lied, np.roll(lied, 1), strict=True))
    for _ in range(draw.integers(1, 4)):
        noise = draw.normal(size=world.queries.shape) * draw.choice([0.0, 0.03])
        queries = unit(world.queries + noise)
        for row in draw.permutation(len(queries))[: draw.integers(8, len(queries))]:
            group = row // PHRASES
            wanted = target.get(group, group)
            for image in range(len(world.images)):
                if image // EACH in (wanted, group) and draw.random() < 0.6:
                    yield Opinion(
                        "2026-01-09T00:00:00",
                        Modality.TEXT,
                        queries[row],
                        str(image),
                        world.images[image],
                        image // EACH == wanted,
                        "mallory",
                    )


@pytest.mark.parametrize("honest", [("anna",), ("anna", "ben")])
def test_nothing_is_adopted_if_users_with_half_of_the_votes_would_be_left_out(honest):
    world = make_world(own_words=False)
    half = {"anna": range(2), "ben": range(2, 4)} if len(honest) == 2 else {"anna": range(4)}
    opinions = [each for user in honest for each in world.opinions(user, half[user])]
    result = found(world, [*opinions, *exchanged(world)])
    assert len(result.left_out) >= len(honest) / 2
    assert result.map is None
    assert "half of the votes or more" in result.reason


def exchanged(world):
    """For every query, images of the next group are liked."""
    for row, query in enumerate(world.queries):
        for image in range(len(world.images)):
            distance = (image // EACH - row // PHRASES) % GROUPS
            if distance < 2:
                yield Opinion(
                    "2026-01-09T00:00:00",
                    Modality.TEXT,
                    query,
                    str(image),
                    world.images[image],
                    distance == 1,
                    "mallory",
                )


def test_a_user_alone_decides(world):
    """As in a system of a single user: there is nobody whose results are kept."""
    result = found(world, list(exchanged(world)))
    assert result.map is not None
    assert world.mrr(result.map) < world.mrr() + 0.05


def users_of(rated):
    return {user for each in rated for user in each.users}


def test_the_most_harmful_user_is_left_out_before_the_next_one_is_tested(world, monkeypatch):
    """Carla appears harmful only as long as the opinions of Ben are used."""

    def loss(every, without, _):
        [left_out] = users_of(every) - users_of(without)
        return {"ben": 0.3, "carla": 0.1}.get(left_out, 0.0) if "ben" in users_of(every) else 0.0

    monkeypatch.setattr(tuning, "loss_of_others", loss)
    honest = [each for user in HONEST for each in world.opinions(user)]
    assert found(world, honest).left_out == ("ben",)


def test_users_with_a_small_share_are_not_tested_one_by_one(world, monkeypatch):
    tested = set()

    def loss(every, without, _):
        tested.update(users_of(every) - users_of(without))
        return 0.0

    monkeypatch.setattr(tuning, "loss_of_others", loss)
    busy = [f"user {number}" for number in range(6)]
    few = [replace(each, user="dave") for each in world.opinions("anna")[:6]]
    found(world, [*few, *(each for user in busy for each in world.opinions(user))])
    assert tested == set(busy)


def rated_and_setting(world, opinions):
    setting = Setting(
        Ordinary(world.backgrounds.of(Modality.TEXT).vectors),
        samples_of(Modality.TEXT, world.vectors),
        Pool.of(opinions),
    )
    return rated_queries(opinions), setting


def test_held_out_queries_do_not_choose_the_strength_of_their_map(world, monkeypatch):
    rated, setting = rated_and_setting(world, world.opinions())
    known = []

    def best_strengths(train, setting):
        known.append(train)
        return STRENGTHS(train, setting)

    monkeypatch.setattr(validation, "best_strengths", best_strengths)
    validation.held_out(rated, setting)
    tests = [test for _, test in validation.folds(rated, validation.FOLDS) if test]
    assert len(known) == len(tests) == validation.FOLDS
    for train, test in zip(known, tests, strict=True):
        assert {id(each) for each in train}.isdisjoint({id(each) for each in test})


def test_a_strength_whose_map_of_low_rank_loses_samples_is_replaced_by_the_next_one(
    world, monkeypatch
):
    rated, setting = rated_and_setting(world, world.opinions())
    _, second, *_ = validation.best_strengths(rated, setting)
    are_kept, of_low_rank = validation.Samples.are_kept, []

    def losing_at_first(samples, apply):
        if not isinstance(apply, Shift):
            of_low_rank.append(apply)
        return apply is not (of_low_rank or [None])[0] and are_kept(samples, apply)

    monkeypatch.setattr(validation.Samples, "are_kept", losing_at_first)
    map = validation.fitted_map(rated, setting)
    assert len(of_low_rank) == 2
    expected = fitted_shift(rated, setting.ordinary, second.ridge).times(second.step).low_rank()
    assert np.array_equal(map.left, expected.left)


def test_equal_opinions_give_an_equal_map(world):
    first, second = (found(world, world.opinions()).map for _ in range(2))
    assert first.left.tobytes() == second.left.tobytes()


def test_one_opinion_on_one_query_is_in_the_singular(world):
    liked = next(each for each in world.opinions() if each.relevant)
    sentence = found(world, [liked]).sentence(None)
    assert sentence.startswith("text: 1 opinion on 1 query: not adopted: 1 query has a liked image")
