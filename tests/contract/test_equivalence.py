"""SQLite and a real OpenSearch return equal hits, records and write results."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesearch.domain import filters as f
from imagesearch.domain.images import Document, ImageRef, Status
from imagesearch.domain.ports import Delete, Put, Touch
from imagesearch.domain.queries import Position, Selection, VectorQuery

# Few keys cause overwrites, and few directions cause equal scores.
LONG = "dogs/" + "日" * 339
KEYS = [
    f"{folder}{name}" for folder in ("", "cats/", "dogs/", "cats/é/", LONG) for name in "abcdef"
]
IDS = [ImageRef("bucket", key).id for key in KEYS[:3]] + ["nobody"]
METADATA = st.dictionaries(st.sampled_from(["camera", "lens"]), st.text("xyz", max_size=2))
VECTORS = st.tuples(*[st.integers(-2, 2)] * 4).filter(any).map(lambda v: np.array(v, np.float32))
COLLECTIONS = st.sampled_from([None, "cats", "cats/é", "dogs", "birds"])
TIME = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = st.integers(-2, 2).map(lambda n: TIME + timedelta(microseconds=700 * n))
WIDTHS = st.none() | st.integers(1, 4)
BOUNDS = ("gte", "lte", "gt", "lt")
# No cosine of two directions is close to one of these.
SCORES = st.sampled_from([None, -0.987, -0.123, 0.345, 0.7777, 0.99])


def bounds(values):
    return st.fixed_dictionaries({}, optional=dict.fromkeys(BOUNDS, values))


leaves = st.one_of(
    st.sampled_from(["", "cats/", "cats/é", "dogs/日", LONG, "a", "x"]).map(f.KeyPrefix),
    bounds(st.integers(0, 5)).map(lambda given: f.NumberRange("width", **given)),
    bounds(TIMES).map(lambda given: f.DateRange("taken_at", **given)),
    st.lists(st.sampled_from(["cats", "dogs"]), max_size=2).map(
        lambda values: f.OneOf("collection", tuple(values))
    ),
    st.builds(
        f.MetadataOneOf,
        st.sampled_from(["camera", "lens"]),
        st.lists(st.text("xyz", max_size=2), max_size=3).map(tuple),
    ),
    st.builds(
        f.MetadataContains,
        st.sampled_from(["camera", "lens"]),
        st.lists(st.text("xyZ*", min_size=1, max_size=2), max_size=2).map(tuple),
    ),
    st.sampled_from(["camera", "lens"]).map(f.MetadataRecorded),
    bounds(st.integers(0, 16)).map(lambda given: f.NumberRange("pixels", **given)),
    st.sampled_from(["landscape", "square"]).map(lambda shape: f.OneOf("orientation", (shape,))),
    st.sampled_from(["collection", "sha256"]).map(f.Recorded),
)
several = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda some: f.AllOf(tuple(some))),
        st.lists(inner, max_size=3).map(lambda some: f.AnyOf(tuple(some))),
        inner.map(f.Not),
    ),
    max_leaves=4,
)


@st.composite
def steps(draw):
    """Operations on keys, with the current or with a wrong version."""
    key = draw(st.sampled_from(KEYS))
    operation = draw(st.sampled_from(["put", "put", "put", "touch", "reject", "delete"]))
    current = draw(st.sampled_from([True, True, True, False]))
    more = {"metadata": draw(METADATA), "width": draw(WIDTHS), "height": draw(WIDTHS)}
    return key, operation, draw(VECTORS), more | {"taken_at": draw(st.none() | TIMES)}, current


searches = st.builds(
    VectorQuery,
    embedding=VECTORS,
    limit=st.integers(1, 30),
    collection=COLLECTIONS,
    exclude=st.lists(st.sampled_from(IDS), max_size=3).map(tuple),
    min_score=SCORES,
    filter=st.none() | several,
)


def the_write(subject, key, operation, vector, more, current):
    ref = ImageRef("bucket", key)
    known = subject.index.get([ref.id]).get(ref.id)
    expected = known.version if known else None
    if not current:
        expected = (expected[0] + 1000, 1) if expected else (1000, 1)
    document = Document(ref, Status.INDEXED, "e", TIME, 1, TIME, "test", "decoder", **more)
    if operation == "touch" and known and known.document:
        return Touch(replace(known.document, **more), expected)
    if operation == "delete":
        return Delete(ref, expected)
    if operation == "reject":
        rejected = replace(document, status=Status.REJECTED, reason="broken")
        return Put(rejected, None, expected)
    return Put(document, vector, expected)


def all_pages(subject, query):
    after, hits = None, []
    while page := subject.index.search(replace(query, after=after)):
        hits += page
        after = Position(page[-1].score, page[-1].document.id)
    return hits


def assert_same_hits(ours, theirs):
    """The same documents with the same scores; the order may differ where scores nearly tie."""
    scores = {hit.document.id: hit.score for hit in theirs}
    assert {hit.document.id: hit.document for hit in ours} == {
        hit.document.id: hit.document for hit in theirs
    }
    for hit, other in zip(ours, theirs, strict=True):
        assert abs(hit.score - scores[hit.document.id]) < 1e-4
        assert abs(hit.score - other.score) < 1e-4


def assert_same_records(sqlite, opensearch, collection, filter):
    selection = Selection(collection=collection, filter=filter)
    ours, theirs = (
        [found.document for found in subject.index.scan(selection)]
        for subject in (sqlite, opensearch)
    )
    assert ours == theirs
    assert sqlite.index.count(selection) == opensearch.index.count(selection) == len(ours)
    assert sqlite.index.facets(selection) == opensearch.index.facets(selection)
    listed = (subject.listed_keys(collection=collection) for subject in (sqlite, opensearch))
    assert next(listed) == next(listed)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rounds=st.lists(st.lists(steps(), min_size=1, max_size=25), min_size=1, max_size=4),
    queries=st.lists(searches, min_size=1, max_size=4),
)
def test_sqlite_and_opensearch_return_equal_results(new_sqlite, new_opensearch, rounds, queries):
    sqlite, opensearch = new_sqlite(), new_opensearch()
    for batch in rounds:
        outcomes = []
        for subject in (sqlite, opensearch):
            results = subject.index.write([the_write(subject, *step) for step in batch])
            outcomes.append([result.status for result in results])
        assert outcomes[0] == outcomes[1]
        opensearch.settle()
        for query in queries:
            assert_same_hits(all_pages(sqlite, query), all_pages(opensearch, query))
        answers = [subject.index.search_many(queries) for subject in (sqlite, opensearch)]
        for ours, theirs in zip(*answers, strict=True):
            assert [hit.score for hit in ours] == pytest.approx(
                [hit.score for hit in theirs], abs=1e-4
            )
        ours, theirs = sqlite.index.health(), opensearch.index.health()
        assert (ours.images, ours.rejected) == (theirs.images, theirs.rejected)
        assert_same_records(sqlite, opensearch, queries[0].collection, queries[0].filter)
