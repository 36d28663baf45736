"""Search ids name stored searches, and are valid for one day."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.queries import ImageQuery, MixedQuery, StoredQuery, Term, TextQuery
from imagesearch.domain.storage_keys import search_key
from imagesearch.search.search_ids import QueryKind, SearchIds
from tests.support.fakes import FakeDerived

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CAT = TextQuery("a cat")
VECTOR = np.array([0.6, 0.8], np.float32)


@pytest.fixture
def derived() -> FakeDerived:
    return FakeDerived()


@pytest.fixture
def at(derived):
    """The ids of a model some time after noon."""
    return lambda by=timedelta(0), model="starter": SearchIds(model, derived, lambda: NOON + by)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        (CAT, QueryKind.TEXT),
        (ImageQuery(b"x"), QueryKind.IMAGE),
        (StoredQuery("x"), QueryKind.STORED),
        (MixedQuery((Term(CAT, 1.0),)), QueryKind.MIXED),
    ],
)
def test_a_search_is_found_by_its_short_and_unique_id(at, query, kind):
    id, other = at().record(query, VECTOR), at().record(query, VECTOR)
    assert id != other
    assert len(id) <= 64
    found = at().find(id)
    assert (found.time, found.kind, found.embedding.tolist()) == (NOON, kind, VECTOR.tolist())


def test_an_id_is_valid_for_a_day(at):
    id = at().record(CAT, VECTOR)
    assert at(timedelta(days=1)).find(id).time == NOON
    with pytest.raises(InvalidQuery) as raised:
        at(timedelta(days=1, seconds=1)).find(id)
    assert raised.value.code == "search_id_expired"


def test_an_id_of_another_model_or_a_made_up_one_is_invalid(at):
    id = at().record(CAT, VECTOR)
    made_up = ("", "x", "é" * 32, id[:-1], f"{id}A", id[:-1] + "!", "A" * 32)
    for ids, each in [(at(model="clip"), id), *((at(), other) for other in made_up)]:
        with pytest.raises(InvalidQuery) as raised:
            ids.find(each)
        assert raised.value.code == "invalid_search_id"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[1]",
        b"[" * 100_000,
        b"{}",
        {"time": "2026-02-01T12:00:00"},
        {"time": 7},
        {"embedding": "AAA"},
        {"embedding": "AADAfw=="},
        {"query": []},
    ],
    ids=lambda content: str(content)[:40],
)
def test_a_damaged_search_has_no_valid_id(content, derived, at):
    id = at().record(CAT, VECTOR)
    if isinstance(content, dict):
        content = json.dumps(json.loads(derived.get(search_key(id))) | content).encode()
    derived.put(search_key(id), content, "application/json")
    with pytest.raises(InvalidQuery) as raised:
        at().find(id)
    assert raised.value.code == "invalid_search_id"


def test_the_text_of_a_query_is_stored_only_if_the_operator_says_so(derived, at):
    assert at().find(at().record(CAT, VECTOR)).text is None
    assert not any(b"a cat" in data for data, _ in derived.files.values())
    ids = SearchIds("starter", derived, lambda: NOON, texts=True)
    assert ids.find(ids.record(CAT, VECTOR)).text == "a cat"
    assert ids.find(ids.record(StoredQuery("x"), VECTOR)).text is None
