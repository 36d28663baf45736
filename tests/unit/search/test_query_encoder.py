"""Query encoder: a mixture is the weighted sum of its terms, encoded in one batch."""

from functools import partial
from threading import Barrier

import numpy as np
import pytest

from imagesearch.domain.errors import InvalidQuery, NotFound, UnreadableImage
from imagesearch.domain.queries import ImageQuery, MixedQuery, Search, StoredQuery, Term, TextQuery
from tests.support.fakes import picture, ref, vector
from tests.support.outcomes import keys
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture
def embedding(searcher, index):
    """The query vector of a mixture of terms."""

    def embedding(*terms: Term):
        searcher.search(Search(MixedQuery(terms)))
        return index.requested[-1][0].embedding

    return embedding


def unit(total):
    return total / np.linalg.norm(total)


def text(words: str, weight: float = 1.0) -> Term:
    return Term(TextQuery(words), weight)


def stored(key: str, weight: float = 1.0) -> Term:
    return Term(StoredQuery(ref(key).id), weight)


def test_a_mixture_is_the_normalized_sum_of_its_terms(embedding, fill):
    fill(a="a cow")
    mixed = embedding(text("a dog", 2), Term(ImageQuery(picture("a beach"))), stored("a.png", -0.5))
    total = 2 * vector("a dog") + vector("a beach") - 0.5 * vector("a cow")
    np.testing.assert_allclose(mixed, unit(total), atol=1e-6)
    assert mixed.dtype == np.float32


def test_a_mixture_of_one_term_equals_the_term(embedding):
    np.testing.assert_allclose(embedding(text("a dog", 7)), vector("a dog"), atol=1e-6)


def test_the_weight_of_a_term_does_not_depend_on_its_vector_length(embedding, fill, index):
    fill(a="a cow")
    document, found, version = index.entries[ref("a.png").id]
    index.entries[document.id] = document, found * 1000, version
    mixed = embedding(text("a dog"), stored("a.png"))
    np.testing.assert_allclose(mixed, unit(vector("a dog") + vector("a cow")), atol=1e-6)


def test_a_negative_weight_subtracts_the_term(searcher, fill):
    fill(a="a dog", b="a cat")
    mixed = MixedQuery((text("a dog"), text("a cat", -1)))
    first, last = searcher.search(Search(mixed)).hits
    assert (first.document.ref.key, last.document.ref.key) == ("a.png", "b.png")
    assert first.score > 0 > last.score


def test_images_of_positive_terms_are_excluded_and_others_are_not(searcher, fill):
    fill(a="a", b="b", c="c", d="d")
    mixed = MixedQuery((stored("a.png"), stored("b.png", 0.1), stored("c.png", -1)))
    assert sorted(keys(searcher.search(Search(mixed)))) == ["c.png", "d.png"]


def test_five_terms_cost_one_batch_of_each_kind_and_one_read(searcher, fill, index, texts, images):
    fill(a="a", b="b")
    images.batches.clear()
    pictures = [Term(ImageQuery(picture(words))) for words in ("c", "d")]
    mixed = (text("e"), *pictures, text("f"), stored("a.png"), stored("b.png"), text("e"))
    searcher.search(Search(MixedQuery(mixed)))
    assert texts.batches == [["e", "f"]]
    assert images.batches == [[picture("c"), picture("d")]]
    assert (index.reads, len(index.requested)) == (1, 1)


@pytest.mark.parametrize(
    "terms",
    [
        (text("a"), text("a", -1)),
        (text("a", 0), text("b", 0)),
        (text("a", 100), text("b"), text("b", -1), text("a", -100)),
    ],
)
def test_terms_that_cancel_out_are_rejected(searcher, terms):
    with pytest.raises(InvalidQuery, match="cancel") as raised:
        searcher.search(Search(MixedQuery(terms)))
    assert raised.value.code == "invalid_terms"
    assert "weight" in raised.value.hint


@pytest.mark.parametrize(
    ("part", "error"),
    [
        (TextQuery(" "), InvalidQuery),
        (TextQuery("nothing at all"), InvalidQuery),
        (ImageQuery(b"no image"), UnreadableImage),
        (StoredQuery("nobody"), NotFound),
    ],
)
def test_a_term_without_a_vector_is_named(searcher, part, error):
    with pytest.raises(error, match=r"^terms\.1: "):
        searcher.search(Search(MixedQuery((text("a dog"), Term(part)))))


def test_texts_and_images_of_a_query_are_embedded_at_the_same_time(searcher, texts, images):
    both = Barrier(2)
    of_texts, of_images = texts.encode_texts, images.encode_images

    def together(encode, *arguments):
        both.wait(PATIENCE_SECONDS)
        return encode(*arguments)

    texts.encode_texts = partial(together, of_texts)
    images.encode_images = partial(together, of_images)
    mixed = MixedQuery((text("a"), Term(ImageQuery(picture("b")))))
    assert searcher.search(Search(mixed)).hits == []
