"""Claims: queries in other languages are answered with a notice, and are not logged."""

import pytest

from imagesearch.search.query_language import LanguageNotices
from tests.support.fakes import picture

GERMAN, RUSSIAN = "ein Hund am Strand", "красная машина"


@pytest.fixture
def languages() -> LanguageNotices:
    return LanguageNotices("fake")


@pytest.fixture(autouse=True)
def pets(fill):
    fill({"pets/tom.png": picture("a cat")})


def test_a_query_in_another_language_has_hits_and_a_notice(ask, logs):
    for query in (GERMAN, RUSSIAN):
        answer = ask("GET", "/v1/search", q=query).json
        assert len(answer["hits"]) == 1
        assert "the model fake understands English only" in answer["notice"]
        assert query not in logs.stream.getvalue()


def test_a_query_in_english_has_no_field_notice(ask):
    assert "notice" not in ask("GET", "/v1/search", q="a dog on a beach").json


def test_each_search_of_a_batch_has_its_own_notice(ask):
    searches = [{"query": {"text": text}} for text in ("a dog", RUSSIAN, "a cat")]
    results = ask("POST", "/v1/search/batch", {"searches": searches}).json["results"]
    assert ["notice" in each for each in results] == [False, True, False]
