"""Relevance increases with the score, and a search can require a minimum."""

import itertools

import numpy as np
import pytest

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.queries import ImageQuery, MixedQuery, Search, StoredQuery, Term, TextQuery
from imagesearch.search.relevance import Background, Curve, Modality, QueryRelevance, Relevance
from imagesearch.search.searcher import Searcher
from tests.support.fakes import FakeTexts, picture, ref, vector
from tests.support.outcomes import keys

CURVES = {
    Modality.TEXT: Curve(slope=10, base=0.1, nearness=0.5),
    Modality.IMAGE: Curve(slope=4, base=0.4, nearness=0),
    Modality.MIXED: Curve(slope=7, base=0.2, nearness=-0.5),
}
BACKGROUND = np.stack([vector(f"thing {n}") for n in range(6)])


@pytest.fixture
def relevance() -> Relevance:
    background = Background(BACKGROUND, 2)
    return Relevance({kind: (background, curve) for kind, curve in CURVES.items()})


@pytest.fixture
def calibrated(index, images, relevance) -> Searcher:
    return Searcher(index, FakeTexts(), images, relevance)


def test_a_higher_score_is_more_relevant():
    of = QueryRelevance(slope=35, middle=0.4).of
    relevances = [of(score) for score in np.linspace(-0.2, 1, 200)]
    assert all(low < high for low, high in itertools.pairwise(relevances))
    assert of(0.4) == 0.5


@pytest.mark.parametrize("slope", [0.01, 14, 1e6])
def test_relevance_is_between_0_and_1(slope):
    query = QueryRelevance(slope, 0.4)
    assert all(0 <= query.of(score) <= 1 for score in (-1, 0, 0.4, 1))
    assert all(-1 <= query.min_score(least) <= 2 for least in (0, 1e-300, 0.5, 1 - 1e-16, 1))


@pytest.mark.parametrize("least", [0.01, 0.25, 0.5, 0.9, 0.99])
def test_the_minimum_score_has_the_requested_relevance(least):
    query = QueryRelevance(slope=20, middle=0.3)
    assert query.of(query.min_score(least)) == pytest.approx(least)


def test_a_relevance_of_1_keeps_nothing_and_of_0_everything():
    query = QueryRelevance(slope=20, middle=0.3)
    assert query.min_score(1) > 1
    assert query.min_score(0) == -1


def test_the_background_similarity_is_the_mean_of_the_highest_cosines():
    background = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
    queries = np.array([[1, 0], [0, 1]], np.float32)
    assert Background(background, 2).nearness(queries) == pytest.approx([0.8, 0.9])
    assert Background(background, 4).nearness(queries) == pytest.approx([0.15, 0.45])


@pytest.mark.parametrize("kind", list(Modality))
def test_each_kind_of_query_has_its_own_curve(kind, relevance):
    query = vector("a cat")
    near = float(np.sort(BACKGROUND @ query)[-2:].mean())
    curve = CURVES[kind]
    found = relevance.for_query(query, kind)
    assert found.slope == curve.slope
    assert found.middle == pytest.approx(curve.base + curve.nearness * near)


def test_hits_have_a_relevance(calibrated, relevance, fill):
    fill(a="a cat", b="a dog")
    hits = calibrated.search(Search(TextQuery("a cat"))).hits
    of = relevance.for_query(vector("a cat"), Modality.TEXT).of
    assert [hit.relevance for hit in hits] == [of(hit.score) for hit in hits]


@pytest.mark.parametrize("query", [ImageQuery(picture("a cat")), StoredQuery(ref("a.png").id)])
def test_image_queries_use_the_image_curve(query, calibrated, relevance, fill):
    fill(a="a cat", b="a dog")
    hits = calibrated.search(Search(query)).hits
    of = relevance.for_query(vector("a cat"), Modality.IMAGE).of
    assert [hit.relevance for hit in hits] == pytest.approx([of(hit.score) for hit in hits])


@pytest.mark.parametrize(
    ("terms", "kind"),
    [
        ((TextQuery("a cat"), TextQuery("a dog")), Modality.TEXT),
        ((ImageQuery(picture("a cat")), StoredQuery(ref("a.png").id)), Modality.IMAGE),
        ((TextQuery("a cat"), StoredQuery(ref("a.png").id)), Modality.MIXED),
    ],
)
def test_a_mixture_uses_the_curve_of_its_terms(terms, kind, calibrated, index, relevance, fill):
    fill(a="a cow", b="a dog")
    mixed = MixedQuery(tuple(Term(part) for part in terms))
    hits = calibrated.search(Search(mixed)).hits
    of = relevance.for_query(index.requested[-1][0].embedding, kind).of
    assert [hit.relevance for hit in hits] == pytest.approx([of(hit.score) for hit in hits])


@pytest.mark.parametrize(
    ("opinions", "kind"),
    [
        ({"like": (ref("a.png").id,)}, Modality.MIXED),
        ({"unlike": (ref("a.png").id,)}, Modality.TEXT),
        ({"like": (ref("a.png").id,), "unlike": (ref("b.png").id,)}, Modality.MIXED),
    ],
)
def test_liked_images_give_a_text_the_curve_of_mixtures_and_disliked_ones_do_not(
    opinions, kind, calibrated, index, relevance, fill
):
    fill(a="a cow", b="a dog", c="a horse")
    hits = calibrated.search(Search(TextQuery("a cat"), **opinions)).hits
    of = relevance.for_query(index.requested[-1][0].embedding, kind).of
    assert [hit.relevance for hit in hits] == pytest.approx([of(hit.score) for hit in hits])


def test_less_relevant_hits_are_excluded(calibrated, fill):
    fill(**{f"n{n}": f"picture {n}" for n in range(20)})
    everything = calibrated.search(Search(TextQuery("a cat"), limit=100)).hits
    least = everything[7].relevance - 1e-9
    kept = calibrated.search(Search(TextQuery("a cat"), limit=100, min_relevance=least)).hits
    assert kept == everything[:8]
    assert calibrated.search(Search(TextQuery("a cat"), min_relevance=1)).hits == []


def test_a_relevance_of_0_excludes_nothing(calibrated, fill):
    fill(**{f"n{n}": f"picture {n}" for n in range(20)})
    everything = calibrated.search(Search(TextQuery("a cat"), limit=100))
    requested = calibrated.search(Search(TextQuery("a cat"), limit=100, min_relevance=0.0))
    assert requested.hits == everything.hits


def test_pages_of_relevant_hits_return_each_hit_once_and_end(calibrated, fill):
    fill(**{f"n{n}": f"picture {n}" for n in range(20)})
    everything = calibrated.search(Search(TextQuery("a cat"), limit=100)).hits
    least = everything[7].relevance - 1e-9
    found, cursor = [], None
    while True:
        page = calibrated.search(Search(TextQuery("a cat"), 3, cursor, min_relevance=least))
        found += keys(page)
        if not (cursor := page.cursor):
            break
    assert found == [hit.document.ref.key for hit in everything[:8]]


def test_a_cursor_is_valid_for_its_minimum_relevance_only(calibrated, fill):
    fill(**{f"n{n}": f"picture {n}" for n in range(20)})
    cursor = calibrated.search(Search(TextQuery("a cat"), 3, min_relevance=0.01)).cursor
    assert cursor
    with pytest.raises(InvalidQuery) as raised:
        calibrated.search(Search(TextQuery("a cat"), 3, cursor, min_relevance=0.02))
    assert raised.value.code == "invalid_cursor"


@pytest.mark.parametrize("least", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_relevance_outside_0_to_1_is_rejected(least, calibrated):
    with pytest.raises(InvalidQuery) as raised:
        calibrated.search(Search(TextQuery("a cat"), min_relevance=least))
    assert raised.value.code == "invalid_min_relevance"
    assert "0 to 1" in raised.value.hint


def test_an_uncalibrated_model_has_scores_only(searcher, fill):
    fill(a="a cat")
    assert searcher.search(Search(TextQuery("a cat"))).hits[0].relevance is None


@pytest.mark.parametrize("least", [0.0, 0.5])
def test_a_minimum_relevance_with_an_uncalibrated_model_is_an_error(least, searcher):
    with pytest.raises(InvalidQuery, match="fake is not calibrated") as raised:
        searcher.search(Search(TextQuery("a cat"), min_relevance=least))
    assert raised.value.code == "no_relevance"
    assert "calibrate" in raised.value.hint
