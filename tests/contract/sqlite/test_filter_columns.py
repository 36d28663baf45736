"""Filters select the same images by in-memory columns as by SQL."""

import uuid
from dataclasses import replace
from datetime import timedelta
from functools import reduce

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.filters import (
    AnyOf,
    DateRange,
    KeyPrefix,
    MetadataContains,
    MetadataOneOf,
    Not,
    NumberRange,
    OneOf,
)
from imagesearch.domain.images import Status
from imagesearch.domain.queries import Selection, VectorQuery
from tests.contract.conftest import NOON, Subject
from tests.contract.sqlite.conftest import NAME
from tests.contract.test_equivalence import several, steps, the_write
from tests.support.fake_index import FakeIndex

EAST = np.array([1, 0, 0, 0], np.float32)


def found(index, filter):
    return sorted(
        hit.document.ref.key for hit in index.search(VectorQuery(EAST, 999, filter=filter))
    )


class CountingIndex(SqliteIndex):
    """Counts the passes over the records that filters need."""

    passes = 0

    def _cells(self, *arguments):
        self.passes += 1
        return super()._cells(*arguments)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    batch=st.lists(steps(), min_size=1, max_size=25),
    filters=st.lists(several, min_size=1, max_size=8),
    invented=st.lists(st.text(max_size=5), max_size=50),
)
def test_filters_of_any_shape_read_the_records_once(tmp_path, batch, filters, invented):
    """They select the images that the in-memory reference selects."""
    index = CountingIndex(tmp_path / f"{uuid.uuid4().hex}.db", NAME, 4)
    subject, reference = Subject(index, lambda: None), Subject(FakeIndex(4), lambda: None)
    for one in (subject, reference):
        one.index.write([the_write(one, *step) for step in batch])
    names = AnyOf(tuple(MetadataContains(name, ("x",)) for name in [*invented, "camera"]))
    queries = [VectorQuery(EAST, 999, filter=each) for each in [*filters, names]]
    for _ in range(2):
        ours, theirs = index.search_many(queries), reference.index.search_many(queries)
        assert [{hit.document.id for hit in hits} for hits in ours] == [
            {hit.document.id for hit in hits} for hits in theirs
        ]
        assert index.passes <= 1
    index.close()


COSTLY = {
    "names": AnyOf(tuple(MetadataOneOf(f"name {number}", ("x",)) for number in range(100))),
    "texts": AnyOf(tuple(MetadataContains("title", (f"x{number}",)) for number in range(100))),
    "contains": MetadataContains("title", tuple(f"x{number}" for number in range(100))),
    "ranges": AnyOf(tuple(NumberRange("pixels", gte=1e9 + number) for number in range(100))),
    "prefixes": AnyOf(tuple(KeyPrefix(f"x{number}") for number in range(100))),
    "times": AnyOf(
        tuple(
            DateRange(field, gte=NOON + timedelta(number))
            for number in range(33)
            for field in ("taken_at", "indexed_at", "last_modified")
        )
    ),
    "nested": reduce(lambda inner, _: AnyOf((Not(inner), inner)), range(6), KeyPrefix("x")),
}


@pytest.mark.parametrize("filter", COSTLY.values(), ids=COSTLY)
def test_a_filter_costs_one_pass_over_the_records(opened, put, filter):
    """By the statements and the steps of SQLite's virtual machine, for each kind of request."""
    images = 300
    index = opened()
    index.write([put(f"{n % 9}/{n}", metadata={"title": f"t{n}"}) for n in range(images)])
    connection, statements, steps = index._database._readers[-1].current(), [], []
    connection.set_trace_callback(statements.append)
    connection.set_progress_handler(lambda: steps.append(100), 100)
    selection = Selection(Status.INDEXED, filter=filter)
    requests = {
        "search": lambda: index.search_many([VectorQuery(EAST, 9, filter=filter)] * 4),
        "list": lambda: index.list_documents(selection, limit=999),
        "list by time": lambda: index.list_by_time(selection, newest_first=True, limit=999),
        "count": lambda: index.count(selection),
        "facets": lambda: index.facets(selection),
        "collections": lambda: index.collections(selection, depth=3, limit=99),
    }
    for name, request in requests.items():
        statements.clear()
        steps.clear()
        request()
        reads = [each for each in statements if each.startswith("SELECT")]
        # A search reads vectors, columns and hits, a list by time images with and without a time.
        assert len(reads) <= (3 if name == "search" else 2), name
        assert sum(steps) < 300 * images, name


def scanned(index, filter):
    images = index.scan(Selection(Status.INDEXED, filter=filter))
    return sorted(image.document.ref.key for image in images)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rounds=st.lists(st.lists(steps(), min_size=1, max_size=25), min_size=1, max_size=4),
    filters=st.lists(several, min_size=1, max_size=4),
)
def test_search_and_scan_apply_a_filter_alike(new_sqlite, rounds, filters):
    """Columns grow between searches, while images are added, changed and deleted."""
    subject = new_sqlite()
    for batch in rounds:
        subject.index.write([the_write(subject, *step) for step in batch])
        for filter in filters:
            assert found(subject.index, filter) == scanned(subject.index, filter)


def test_a_filter_on_an_empty_index_matches_nothing(opened, put):
    index = opened()
    assert found(index, Not(OneOf("collection", ("a",)))) == []
    index.write([put("b/1")])
    assert found(index, Not(OneOf("collection", ("a",)))) == ["b/1"]


def test_filters_on_many_metadata_fields_all_apply(opened, put):
    index = opened()
    names = [f"name{number}" for number in range(40)]
    index.write([put(name, metadata={name: "x"}) for name in names])
    for name in names + names[:3]:
        assert found(index, MetadataOneOf(name, ("x",))) == [name]


def test_a_prefix_of_any_characters_is_found_among_adjacent_keys(opened, put):
    keys = ["a", "a/", "a/\U0010ffff", "a/\U0010ffffb", "a0", "b", "é", "\U0001f43b/x"]
    index = opened()
    index.write([put(key) for key in reversed(keys)])
    for prefix in [*keys, "", "z", "a/\U0010ffff\U0010ffff"]:
        assert found(index, KeyPrefix(prefix)) == sorted(
            key for key in keys if key.startswith(prefix)
        )


def test_columns_match_reloaded_vectors(opened, put):
    """The scan keeps fewer than 15,000 obsolete rows for 5,000 current ones."""
    index, keys = opened(), [f"{number}" for number in range(5000)]
    for width in (1, 2, 3):
        known = index.get([put(key).ref.id for key in keys])
        writes = [put(key, width=width + int(key) % 2) for key in keys]
        index.write(
            [
                replace(write, expected=known[write.ref.id].version if known else None)
                for write in writes
            ]
        )
        assert index.count(Selection(filter=NumberRange("width", lte=width))) == 2500
        hits = index.search(VectorQuery(EAST, 5000, filter=NumberRange("width", lte=width)))
        assert {int(hit.document.ref.key) % 2 for hit in hits} == {0}
        assert len(hits) == 2500
