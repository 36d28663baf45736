"""Claims about stored adapters: versions, damage, other models, and taking them up live."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.learning.adapters import Adapter, AdapterStore, Pointer, Space, adapter_of
from imagesearch.learning.live import LiveAdapter
from imagesearch.search.query_adapter import MAX_SHIFT, QueryMap
from imagesearch.search.relevance import Curve, Modality
from tests.unit.learning.conftest import DIMENSION, unit

SPACE = Space("fake", "space", "0123456789abcdef", DIMENSION)


def adapter(number=1, first="2026-01-05T00:00:00", users=("abc",)):
    rows = np.random.default_rng(number).normal(size=(2, 3, DIMENSION))
    left, right = rows.astype(np.float16).astype(np.float32)
    return Adapter(
        number,
        SPACE,
        None,
        "2026-02-01T00:00:00+00:00",
        {"count": 3, "first": first, "last": "2026-01-09", "users": list(users)},
        {"text": {"mrr_before": 0.4, "mrr_after": 0.5}},
        {Modality.TEXT: QueryMap(left, right)},
        {Modality.TEXT: Curve(10.0, 0.2, 0.5)},
    )


@pytest.fixture
def clock():
    return SimpleNamespace(seconds=1000.0)


@pytest.fixture
def live(adapters, clock):
    return LiveAdapter(adapters, 60, lambda: clock.seconds)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 255))
@example(adapter().to_bytes().index(b" "), ord("\t"))
@example(adapter().to_bytes().index(b"left") + 20, ord("B"))
def test_a_changed_byte_is_noticed(place, byte):
    good = adapter().to_bytes()
    place %= len(good)
    changed = good[:place] + bytes([byte]) + good[place + 1 :]
    if changed == good:
        return
    try:
        read = adapter_of(changed, SPACE)
    except ConfigurationError as error:
        code = error.code
    else:
        # A space that becomes a tab changes nothing that the file says.
        code = "invalid_adapter" if read.to_bytes() == good else "unnoticed"
    assert code == "invalid_adapter"


def test_an_adapter_of_another_model_is_refused():
    with pytest.raises(ConfigurationError, match="belongs to the model fake"):
        adapter_of(adapter().to_bytes(), replace(SPACE, model="other", digest="f" * 16))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 32), st.floats(-3, 4))
def test_no_map_turns_a_query_by_more_than_its_limit(seed, rank, size):
    draw = np.random.default_rng(seed)
    left, right = 10**size * draw.normal(size=(2, rank, DIMENSION)).astype(np.float32)
    queries = unit(draw.normal(size=(50, DIMENSION)))
    # The queries that the map shifts most.
    queries[:rank] = unit(right[:50])
    moved = QueryMap(left, right).applied(queries)
    assert np.linalg.norm(moved, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.einsum("qd,qd->q", queries, moved).min() >= np.cos(np.radians(64.2))


def test_the_limit_of_64_2_degrees_is_that_of_the_longest_shift():
    """At a right angle to the result, a shift turns a query furthest."""
    angle = np.arcsin(MAX_SHIFT)
    query = np.array([[1, 0]], np.float32)
    left = -np.array([[np.sin(angle), np.cos(angle)]], np.float32)
    moved = QueryMap(left, 10 * query).applied(query)[0]
    assert np.degrees(np.arccos(moved[0])) == pytest.approx(64.16, abs=0.01)


def test_a_file_has_about_90_kb_for_a_map_of_the_starter_model():
    space = replace(SPACE, dimension=512)
    rows = np.random.default_rng(0).normal(size=(32, 512)).astype(np.float32)
    map, curve = QueryMap(rows, rows), Curve(10.0, 0.2, 0.5)
    for modalities in ((Modality.TEXT,), (Modality.TEXT, Modality.IMAGE)):
        full = replace(
            adapter(),
            space=space,
            maps=dict.fromkeys(modalities, map),
            curves=dict.fromkeys(Modality, curve),
        )
        assert len(full.to_bytes()) == pytest.approx(90_000 * len(modalities), rel=0.05)


def test_versions_are_switched_and_rolled_back_within_a_minute(adapters, live, clock):
    assert live() is None
    adapters.add(adapter(1))
    adapters.add(adapter(2))
    assert live() is None
    clock.seconds += 60
    assert live().name == "adapter-2"
    adapters.use(1)
    clock.seconds += 60
    assert live().name == "adapter-1"
    adapters.use(None)
    clock.seconds += 60
    assert live() is None


def test_the_pointer_is_read_at_most_once_a_minute(adapters, derived, live, clock):
    adapters.add(adapter())
    live()
    derived.unavailable = "adapters/"
    clock.seconds += 59
    assert live().name == "adapter-1"


DAMAGED_POINTERS = {
    "no field": b"{}",
    "no object": b"[]",
    "infinite": b'{"number": 1e999, "newest": 1, "forgotten": []}',
    "nested": b"[" * 100_000,
}


@pytest.mark.parametrize("damage", ["unavailable", "file", "foreign", *DAMAGED_POINTERS])
def test_a_failing_read_never_fails_a_search(adapters, derived, live, clock, caplog, damage):
    adapters.add(adapter(1))
    assert live().name == "adapter-1"
    adapters.add(adapter(2))
    folder = f"adapters/{SPACE.digest}/"
    foreign = replace(adapter(2), space=replace(SPACE, digest="f" * 16)).to_bytes()
    damaged = {
        "file": ("2.json", b"{}"),
        "foreign": ("2.json", foreign),
    } | {name: ("current.json", data) for name, data in DAMAGED_POINTERS.items()}
    if damage == "unavailable":
        derived.unavailable = "adapters/"
    else:
        name, data = damaged[damage]
        derived.put(folder + name, data, "application/json")
    for _ in range(3):
        clock.seconds += 60
        assert live().name == "adapter-1"
    assert len(caplog.records) == 1


def test_an_unknown_version_cannot_be_used(adapters):
    adapters.add(adapter(1))
    with pytest.raises(NotFound):
        adapters.use(2)
    assert adapters.pointer().number == 1


@pytest.mark.parametrize(("before", "user"), [("2026-01-06", None), ("", "abc")])
def test_an_adapter_of_forgotten_opinions_cannot_be_used(adapters, before, user):
    adapters.add(adapter(1))
    adapters.add(adapter(2, first="2026-01-08T00:00:00", users=("def",)))
    assert adapters.mark_forgotten(before, user) == [1]
    assert adapters.pointer().number == 2
    with pytest.raises(ConfigurationError, match="forgotten"):
        adapters.use(1)
    assert adapters.mark_forgotten("2027-01-01", None) == [2]
    assert adapters.pointer().number is None


def test_adapters_of_other_models_with_forgotten_opinions_are_marked_too(adapters, derived):
    other = AdapterStore(derived, replace(SPACE, digest="f" * 16))
    other.add(replace(adapter(1), space=other.space))
    adapters.add(adapter(1, users=("def",)))
    assert adapters.mark_forgotten("", "abc") == []
    assert other.pointer().forgotten == {1}
    assert (other.pointer().number, adapters.pointer().number) == (None, 1)


@pytest.mark.parametrize("damage", DAMAGED_POINTERS)
@pytest.mark.parametrize("used", [None, 2])
def test_a_damaged_pointer_is_written_again_with_all_versions_and_marks(
    adapters, derived, damage, used
):
    for number, user in enumerate(("abc", "def", "ghi"), 1):
        adapters.add(adapter(number, users=(user,)))
    adapters.mark_forgotten("", "abc")
    derived.put(f"adapters/{SPACE.digest}/current.json", DAMAGED_POINTERS[damage], "")
    adapters.use(used)
    assert adapters.pointer() == Pointer(used, 3, frozenset({1}))
    with pytest.raises(ConfigurationError, match="forgotten"):
        adapters.use(1)


def test_only_stored_versions_are_read_whatever_number_the_pointer_names(adapters, derived):
    adapters.add(adapter(1))
    pointer = json.dumps({"number": 1, "newest": 10**15, "forgotten": []}).encode()
    derived.put(f"adapters/{SPACE.digest}/current.json", pointer, "application/json")
    assert adapters.mark_forgotten("2027-01-01", None) == [1]


def test_opinions_are_forgotten_with_a_damaged_pointer(adapters, derived):
    adapters.add(adapter(1))
    derived.put(f"adapters/{SPACE.digest}/current.json", b"{", "")
    assert adapters.mark_forgotten("", "abc") == [1]
    assert adapters.pointer().number is None


def test_a_run_that_ends_while_versions_are_marked_adopts_nothing(adapters, derived):
    """It compares the pointer with the one that it began with."""
    adapters.add(adapter(1))
    began, put = adapters.pointer(), derived.put
    adopts = []

    def put_noting(key, data, content_type):
        if key.endswith("/1.json"):
            adopts.append(adapters.pointer() == began)
        put(key, data, content_type)

    derived.put = put_noting
    assert adapters.mark_forgotten("", "abc") == [1]
    assert adopts == [False]


def test_a_forgotten_adapter_has_lost_what_it_learned_and_its_users(adapters, derived):
    adapters.add(adapter(1, users=("abc", "def")))
    adapters.mark_forgotten("", "abc")
    stored = adapters.get(1)
    assert (stored.forgotten, stored.maps, stored.curves) == (True, {}, {})
    assert (stored.opinions["count"], stored.opinions["users"]) == (3, [])
    assert stored.figures == adapter(1).figures
    assert b'"abc"' not in derived.get(f"adapters/{SPACE.digest}/1.json")


def test_the_pointer_of_release_0_2_is_read(adapters, derived):
    old = b'{"number": 2, "newest": 3, "forgotten": [1]}'
    derived.put(f"adapters/{SPACE.digest}/current.json", old, "")
    assert adapters.pointer() == Pointer(2, 3, frozenset({1}))
