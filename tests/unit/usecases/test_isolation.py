"""Claims: whatever goes wrong with some images, each of the others is indexed all the same.

Every port is made to raise for some images, at any step, what nobody expects it to raise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesearch import isolation
from imagesearch.domain import ImageRef
from imagesearch.embedding.manifest import DuplicateWeights
from imagesearch.errors import ConfigurationError, Unavailable
from imagesearch.indexing import Indexer
from imagesearch.linking import Linker
from imagesearch.planning import OutcomeKind

from .fake_index import FakeIndex
from .fakes import BUCKET, START, FakeDerived, FakeImages, FakeStore, picture, ref, vector

STEPS = (
    *("head", "head after the write", "read", "sniff", "decode", "planning"),
    *("thumbnail", "get", "write", "find embeddings", "search"),
)
EXCEPTIONS = (
    *(ZeroDivisionError, KeyError, ValueError, OverflowError, MemoryError, RecursionError),
    *(OSError, RuntimeError, AssertionError, StopIteration, SystemError, TimeoutError),
)
KEYS = st.integers(0, 11)
FAULTS = st.dictionaries(KEYS, st.tuples(st.sampled_from(STEPS), st.sampled_from(EXCEPTIONS)))


@dataclass
class Faults:
    """Which step raises what for which key."""

    of: dict[str, tuple[str, type[Exception]]]

    def at(self, step: str, key: str) -> None:
        planned, exception = self.of.get(key, ("", Exception))
        if planned == step:
            raise exception(f"a fault at {step}")

    def for_words(self, step: str, data: bytes) -> None:
        for key in self.of:
            if picture(key) == data:
                self.at(step, key)


@dataclass
class FaultyStore(FakeStore):
    faults: Faults = field(default_factory=lambda: Faults({}))
    heads: dict[str, int] = field(default_factory=dict)

    def head(self, ref):
        self.faults.at("head", ref.key)
        self.heads[ref.key] = self.heads.get(ref.key, 0) + 1
        if self.heads[ref.key] == 2:
            self.faults.at("head after the write", ref.key)
        state = super().head(ref)
        if state and self.faults.of.get(ref.key, ("",))[0] == "planning":
            return replace(state, metadata=Unreadable())
        return state

    def read(self, ref, state, first=None):
        self.faults.at("sniff" if first else "read", ref.key)
        return super().read(ref, state, first)


class Unreadable(dict):
    """Metadata that cannot be copied, for a step that has no port to raise in."""

    def keys(self):
        step = "planning"
        raise LookupError(f"a fault at {step}")

    __iter__ = keys


@dataclass
class FaultyImages(FakeImages):
    faults: Faults = field(default_factory=lambda: Faults({}))

    def encode_images(self, images, details=None):
        for data in images:
            self.faults.for_words("decode", data)
        return super().encode_images(images, details)


@dataclass
class FaultyDerived(FakeDerived):
    faults: Faults = field(default_factory=lambda: Faults({}))

    def put(self, key, data, content_type):
        words = data.removeprefix(b"small ").decode()
        self.faults.at("thumbnail", words)
        super().put(key, data, content_type)


@dataclass
class FaultyIndex(FakeIndex):
    faults: Faults = field(default_factory=lambda: Faults({}))

    def get(self, ids):
        self._raise("get", ids)
        return super().get(ids)

    def write(self, writes):
        self._raise("write", [write.ref.id for write in writes])
        return super().write(writes)

    def embeddings(self, ids):
        self._raise("find embeddings", ids)
        return super().embeddings(ids)

    def search_many(self, queries):
        for query in queries:
            self._raise("search", query.exclude)
        return super().search_many(queries)

    def _raise(self, step, ids):
        for key in self.faults.of:
            if ref(key).id in ids:
                self.faults.at(step, key)


@dataclass
class World:
    """A bucket of twelve images, of which some have faults, and an indexer of it."""

    numbered: dict[int, tuple[str, type[Exception]]]

    def __post_init__(self):
        # Those without an ending are known by their first bytes, which takes a read of its own.
        self.keys = [f"{n}.png" if n % 3 else f"{n}" for n in range(12)]
        faults = Faults({self.keys[n]: fault for n, fault in self.numbered.items()})
        self.store = FaultyStore(faults=faults)
        self.index = FaultyIndex(faults=faults)
        for key in self.keys:
            self.store.put(key, picture(key))
        self.indexer = Indexer(
            self.store,
            self.index,
            FaultyImages(faults=faults),
            clock=lambda: START + timedelta(days=1),
            derived=FaultyDerived(faults=faults),
            linker=Linker(self.index, DuplicateWeights().weights, clock=self._later),
        )

    def _later(self):
        return START + timedelta(days=2)

    @property
    def sound(self):
        """A name that ends as an image's does is not looked into."""
        faulty = {
            self.keys[n]
            for n, (step, _) in self.numbered.items()
            if not (step == "sniff" and self.keys[n].endswith(".png"))
        }
        return [key for key in self.keys if key not in faulty]


@settings(max_examples=150, derandomize=True, deadline=None)
@given(FAULTS)
def test_a_fault_costs_its_own_image_alone(faults):
    world = World(faults)
    outcomes = world.indexer.look_at([ref(key) for key in world.keys])
    assert sorted(outcome.ref.key for outcome in outcomes) == sorted(world.keys)
    kinds = {outcome.ref.key: outcome.kind for outcome in outcomes}
    for key in world.keys:
        sound = key in world.sound
        assert kinds[key] is (OutcomeKind.INDEXED if sound else OutcomeKind.FAILED), key
    assert set(world.sound) <= set(world.index.keys())
    assert all(world.index.document(key).neighbours is not None for key in world.sound)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(FAULTS)
def test_what_failed_is_indexed_once_its_fault_is_mended(faults):
    world = World(faults)
    refs = [ref(key) for key in world.keys]
    world.indexer.look_at(refs)
    world.index.faults.of.clear()
    outcomes = world.indexer.look_at(refs)
    assert not [outcome for outcome in outcomes if outcome.kind is OutcomeKind.FAILED]
    assert world.index.keys() == sorted(world.keys)
    assert all(world.index.document(key).neighbours is not None for key in world.keys)


@pytest.mark.parametrize("step", STEPS)
def test_the_reason_names_what_was_raised_and_asks_for_a_report(step):
    world = World({0: (step, ZeroDivisionError)})
    kind = "LookupError" if step == "planning" else "ZeroDivisionError"
    [outcome] = world.indexer.look_at([ref("0")])
    assert outcome.reason == f"internal error: {kind}: a fault at {step}; please report it"


@pytest.mark.parametrize("step", STEPS)
def test_a_fault_is_logged_once_with_its_place_and_without_what_the_exception_says(step, caplog):
    caplog.set_level("INFO", isolation.__name__)
    World({0: (step, ZeroDivisionError)}).indexer.look_at([ref(f"{n}") for n in (0, 3, 6)])
    [line] = [record.getMessage() for record in caplog.records]
    assert ref("0").id in line
    assert 'File "' in line
    assert f"a fault at {step}" not in line


def test_an_older_good_version_stays_found_where_a_newer_one_breaks_this_program():
    world = World({})
    world.indexer.look_at([ref("0")])
    world.store.put("0", picture("newer"))
    world.index.faults.of["newer"] = ("decode", ZeroDivisionError)
    [outcome] = world.indexer.look_at([ref("0")])
    assert outcome.kind is OutcomeKind.FAILED
    assert (world.index.embedding_of("0") == vector("0")).all()


def test_a_key_that_is_no_text_costs_itself_alone():
    world = World({})
    odd = ImageRef(BUCKET, "half \ud800 a pair.png")
    failed, indexed = sorted(
        world.indexer.look_at([odd, ref("0")]), key=lambda outcome: outcome.kind.value
    )
    assert (failed.ref, failed.kind) == (odd, OutcomeKind.FAILED)
    assert (indexed.ref, indexed.kind) == (ref("0"), OutcomeKind.INDEXED)


@pytest.mark.parametrize("step", ["get", "write", "decode"])
def test_what_is_wrong_with_the_whole_system_is_said_at_once(step):
    with pytest.raises(ConfigurationError):
        World({0: (step, ConfigurationError)}).indexer.look_at([ref("0"), ref("3")])


def test_a_service_that_is_away_is_asked_once_for_all():
    world = World({0: ("write", Unavailable)})
    outcomes = world.indexer.look_at([ref("0"), ref("3")])
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.FAILED}


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_no_fault_of_an_image(exception):
    with pytest.raises(exception):
        World({0: ("decode", exception)}).indexer.look_at([ref("0")])
