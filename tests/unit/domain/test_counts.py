"""Claims about counts in messages."""

import pytest

from imagesearch.domain.counts import counted


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 queries"), (1, "1 query"), (1425, "1,425 queries")]
)
def test_the_noun_agrees_with_its_count(count, words):
    assert counted(count, "query", "queries") == words
    assert counted(count, "image") == words.replace("queries", "images").replace("query", "image")
