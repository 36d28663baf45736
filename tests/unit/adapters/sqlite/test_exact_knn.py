"""The scan returns the results of a plain sort while rows are added, changed and deleted."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesearch.adapters.sqlite.exact_knn import BLOCK_ROWS, Row, RowMatch, VectorLog
from imagesearch.domain.queries import Position, VectorQuery

EAST = np.array([1, 0], np.float32)


def row(seq, id, vector, collection=None):
    data = None if vector is None else np.asarray(vector, np.float32).tobytes()
    return Row(seq, id, collection, data)


def at(degrees):
    return np.cos(np.radians(degrees)), np.sin(np.radians(degrees))


def test_an_empty_index_has_no_matches():
    assert VectorLog(2).snapshot.nearest(VectorQuery(EAST, 10)) == []


def test_a_match_names_its_row():
    log = VectorLog(2)
    log.extend([row(7, "a", (1, 0))])
    assert log.snapshot.nearest(VectorQuery(EAST, 10)) == [RowMatch(7, "a", 1.0)]


def test_an_older_snapshot_does_not_change():
    log = VectorLog(2)
    log.extend([row(1, "a", (1, 0)), row(2, "b", (0, 1))])
    before = log.snapshot
    log.extend([row(3, "a", None), row(4, "b", (1, 0)), row(5, "c", (1, 0))])
    assert [match.id for match in before.nearest(VectorQuery(EAST, 10))] == ["a", "b"]
    assert [match.id for match in log.snapshot.nearest(VectorQuery(EAST, 10))] == ["b", "c"]


def test_rows_can_change_within_one_step():
    log = VectorLog(2)
    log.extend([row(1, "a", (0, 1)), row(2, "a", (1, 0)), row(3, "b", (1, 0)), row(4, "b", None)])
    assert log.snapshot.nearest(VectorQuery(EAST, 10)) == [RowMatch(2, "a", 1.0)]


def test_equal_vectors_have_equal_scores_in_any_row():
    """Rows of several blocks and rows at the end of a block use different machine code."""
    random = np.random.default_rng(3)
    vector = random.normal(size=37).astype(np.float32)
    vector /= np.linalg.norm(vector)
    log = VectorLog(37)
    log.extend([row(number + 1, f"{number:06}", vector) for number in range(BLOCK_ROWS + 3)])
    query = random.normal(size=37).astype(np.float32)
    query /= np.linalg.norm(query)
    matches = log.snapshot.nearest(VectorQuery(query, 100))
    assert [match.id for match in matches] == [f"{number:06}" for number in range(100)]
    after = Position(matches[-1].score, matches[-1].id)
    assert log.snapshot.nearest(VectorQuery(query, 1, after=after))[0].id == "000100"


@settings(max_examples=200)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, 30), st.none() | st.integers(0, 12), st.sampled_from([None, "a", "b"])
        ),
        max_size=60,
    ),
    step=st.integers(1, 20),
    limit=st.integers(1, 40),
    collection=st.sampled_from([None, "a", "c"]),
    exclude=st.lists(st.integers(0, 30), max_size=3),
)
def test_pages_are_slices_of_the_sorted_matches(changes, step, limit, collection, exclude):
    rows = [
        row(seq, f"{id:02}", None if turn is None else at(30 * turn), home)
        for seq, (id, turn, home) in enumerate(changes, 1)
    ]
    log = VectorLog(2)
    for start in range(0, len(rows), step):
        log.extend(rows[start : start + step])
    living = {found.id: found for found in rows}.values()
    query = VectorQuery(EAST, limit, collection, tuple(f"{id:02}" for id in exclude))
    expected = sorted(
        (-round(float(np.frombuffer(found.vector, np.float32)[0]), 6), found.id)
        for found in living
        if found.vector and found.id not in query.exclude and collection in (None, found.collection)
    )
    found, after = [], None
    while page := log.snapshot.nearest(VectorQuery(EAST, limit, collection, query.exclude, after)):
        found += page
        after = Position(page[-1].score, page[-1].id)
    assert sorted((-round(match.score, 6), match.id) for match in found) == expected
    assert [(-match.score, match.id) for match in found] == sorted(
        (-match.score, match.id) for match in found
    )


def test_a_batch_of_queries_finds_the_same_as_single_queries():
    random = np.random.default_rng(5)
    vectors = random.normal(size=(BLOCK_ROWS + 700, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    log = VectorLog(8)
    log.extend([row(seq, f"{seq:05}", vector) for seq, vector in enumerate(vectors, 1)])
    queries = [VectorQuery(vector, 20) for vector in vectors[:5]]
    queries.append(VectorQuery(vectors[5], 20, min_score=0.9))
    some = (np.arange(len(vectors)) >= 100) & (np.arange(len(vectors)) < 200)
    allowed = [*[None] * 4, some, None]
    answers = log.snapshot.nearest_of_each(queries, allowed)
    assert answers == [
        log.snapshot.nearest(query, rows) for query, rows in zip(queries, allowed, strict=True)
    ]
    assert all(100 < match.seq <= 200 for match in answers[4])
    assert all(match.score >= 0.9 for match in answers[5])


def test_overwritten_rows_are_removed_from_memory():
    log, count = VectorLog(2), BLOCK_ROWS
    log.extend([row(seq, str(seq), (1, 0)) for seq in range(1, count + 1)])
    assert not log.mostly_dead
    log.extend([row(count + seq, str(seq), (1, 0)) for seq in range(1, count + 1)])
    assert log.mostly_dead
