"""Search ids contain the query, and are valid for one day."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.queries import ImageQuery, MixedQuery, StoredQuery, Term, TextQuery
from imagesearch.search.search_ids import QueryKind, SearchIds

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CAT = TextQuery("a cat")


@pytest.fixture
def ids() -> SearchIds:
    return SearchIds("starter", lambda: NOON)


def unit(vector) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def later(by: timedelta, model: str = "starter") -> SearchIds:
    return SearchIds(model, lambda: NOON + by)


@pytest.mark.parametrize("heaviest", [1, 20, 1_000])
def test_the_embedding_is_preserved_to_a_cosine_of_0_9999(ids, heaviest):
    random = np.random.default_rng(5)
    for _ in range(50):
        vector = random.normal(size=512)
        vector[0] *= heaviest
        found = ids.unseal(ids.seal(CAT, unit(vector))).embedding
        assert found @ unit(vector) >= 0.9999
        assert np.linalg.norm(found) == pytest.approx(1)


def test_an_id_is_short_enough_for_a_url_and_unique(ids):
    vector = unit(np.arange(1, 513))
    first, second = ids.seal(CAT, vector), ids.seal(CAT, vector)
    assert first != second
    assert len(first) < 720
    assert first.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        (CAT, QueryKind.TEXT),
        (ImageQuery(b"x"), QueryKind.IMAGE),
        (StoredQuery("x"), QueryKind.STORED),
        (MixedQuery((Term(CAT, 1.0),)), QueryKind.MIXED),
    ],
)
def test_the_time_and_the_kind_of_query_are_preserved(ids, query, kind):
    found = ids.unseal(ids.seal(query, unit(np.ones(4))))
    assert (found.time, found.kind) == (NOON, kind)


def test_an_id_is_valid_for_a_day(ids):
    id = ids.seal(CAT, unit(np.ones(4)))
    assert later(timedelta(days=1)).unseal(id).time == NOON
    with pytest.raises(InvalidQuery) as raised:
        later(timedelta(days=1, seconds=1)).unseal(id)
    assert raised.value.code == "search_id_expired"
    assert "search again" in raised.value.hint


def test_an_id_of_the_future_is_invalid(ids):
    id = later(timedelta(hours=1)).seal(CAT, unit(np.ones(4)))
    with pytest.raises(InvalidQuery):
        ids.unseal(id)


def test_an_id_of_another_model_is_invalid(ids):
    with pytest.raises(InvalidQuery):
        later(timedelta(), model="clip").unseal(ids.seal(CAT, unit(np.ones(4))))


def test_a_modified_truncated_or_made_up_id_is_invalid(ids):
    id = ids.seal(CAT, unit(np.ones(64)))
    changed = id[:20] + ("B" if id[20] == "A" else "A") + id[21:]
    broken = id[:-5] + "!" + id[-4:]
    for each in ("", "x", "é", "made-up", id[:-4], id[4:], changed, broken, "A" * len(id)):
        with pytest.raises(InvalidQuery) as raised:
            ids.unseal(each)
        assert raised.value.code == "invalid_search_id"
