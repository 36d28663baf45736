"""Claims about stored adapters: versions, damage, other models, and taking them up live."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.learning.adapters import Adapter, AdapterStore, Space, adapter_of
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


def test_a_map_turns_no_query_by_more_than_its_limit():
    queries = unit(np.random.default_rng(0).normal(size=(50, DIMENSION)))
    huge = QueryMap(*(1000 * adapter().maps[Modality.TEXT].left for _ in range(2)))
    moved = huge.applied(queries)
    assert np.linalg.norm(moved, axis=1) == pytest.approx(1, abs=1e-5)
    least = np.sqrt(1 - MAX_SHIFT**2)
    assert np.einsum("qd,qd->q", queries, moved).min() >= least - 1e-5


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


@pytest.mark.parametrize("damage", ["unavailable", "pointer", "file", "foreign"])
def test_a_failing_read_never_fails_a_search(adapters, derived, live, clock, caplog, damage):
    adapters.add(adapter(1))
    assert live().name == "adapter-1"
    adapters.add(adapter(2))
    folder = f"adapters/{SPACE.digest}/"
    foreign = replace(adapter(2), space=replace(SPACE, digest="f" * 16)).to_bytes()
    damaged = {
        "pointer": ("current.json", b"{}"),
        "file": ("2.json", b"{}"),
        "foreign": ("2.json", foreign),
    }
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
