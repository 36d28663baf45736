"""Fault injection: ports that raise unexpected exceptions for some images, each at one step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import strategies as st

from imagesearch.duplicates.linker import Linker
from imagesearch.embedding.manifest import DuplicateWeights
from imagesearch.indexing.indexer import Indexer
from tests.support.fake_index import FakeIndex
from tests.support.fakes import START, FakeDerived, FakeImages, FakeStore, picture, ref

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
    """The faulty step and its exception, by key."""

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
    """Metadata that cannot be copied, for a step without a port."""

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
class FaultyBucket:
    """A bucket of twelve images, some of them faulty, and its indexer."""

    numbered: dict[int, tuple[str, type[Exception]]]

    def __post_init__(self):
        # Without an extension, the first bytes are read to detect an image.
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
    def without_faults(self):
        """The keys without faults; files with an extension are never sniffed."""
        faulty = {
            self.keys[n]
            for n, (step, _) in self.numbered.items()
            if not (step == "sniff" and self.keys[n].endswith(".png"))
        }
        return [key for key in self.keys if key not in faulty]
