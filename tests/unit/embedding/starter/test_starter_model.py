"""Starter model: relevance of hits and duplicates among the sample photos."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagesearch import bootstrap
from imagesearch.calibration.calibration_set import unanswerable_queries
from imagesearch.calibration.evidence import CHOOSING, REPORTING
from imagesearch.domain.queries import ImageQuery, Query, Search, StoredQuery, TextQuery
from imagesearch.search.listing import ListRequest
from imagesearch.search.searcher import Searcher
from imagesearch.settings import Settings
from models.evaluation.metrics import KINDS, kinds_of
from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.slow

ROOT = REPOSITORY
SAMPLES = ROOT / "samples"
HOOFED = [f"animals/{stem}.webp" for stem in KINDS["hoofed"].split()]


def settings(data: Path, prefix: str) -> Settings:
    return Settings(
        bucket=f"file://{SAMPLES}",
        index_url=f"sqlite://{data / prefix}.db",
        index_prefix=prefix,
        model_uri=str(ROOT / "layers/starter_model/starter_model"),
    )


def searcher_of(keys: list[str], options: Settings) -> Searcher:
    store = bootstrap.image_store(options)
    refs = {ref.key: ref for ref, _ in store.list_images()}
    outcomes = bootstrap.indexer(options).process([refs[key] for key in keys])
    assert {outcome.kind.value for outcome in outcomes} == {"indexed"}
    return bootstrap.searcher(options)


@pytest.fixture(scope="module")
def captions() -> dict[str, str]:
    """The captions by key."""
    with (SAMPLES / "samples.tsv").open(encoding="utf-8", newline="") as lines:
        return {row["path"]: row["caption"] for row in csv.DictReader(lines, delimiter="\t")}


@pytest.fixture(scope="module")
def searcher(captions, tmp_path_factory):
    return searcher_of(list(captions), settings(tmp_path_factory.mktemp("all"), "all"))


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    """A bucket of hoofed animals only."""
    return searcher_of(HOOFED, settings(tmp_path_factory.mktemp("farm"), "farm"))


def relevant(searcher, query: Query, least: float = 0.5) -> list[str]:
    hits = searcher.search(Search(query, 100, min_relevance=least)).hits
    return [hit.document.ref.key for hit in hits]


def test_captions_keep_their_photo_and_few_others(searcher, captions):
    found = {key: relevant(searcher, TextQuery(caption)) for key, caption in captions.items()}
    kept = [key in keys for key, keys in found.items()]
    others = [len(set(keys) - {key}) for key, keys in found.items()]
    assert len(found) == 85
    assert np.mean(kept) >= 0.8
    assert np.mean(others) <= 4


@pytest.mark.parametrize("which", [CHOOSING, REPORTING])
def test_nonsense_and_unknown_languages_find_few_images(which, searcher):
    queries = ["invoice 2024", "asdfgh", *unanswerable_queries()[which]]
    assert len(queries) >= 40
    assert np.mean([len(relevant(searcher, TextQuery(query))) for query in queries]) <= 1


def test_relevance_is_more_comparable_between_queries_than_the_cosine(searcher, captions):
    right, wrong = [], []
    for key, caption in captions.items():
        for hit in searcher.search(Search(TextQuery(caption), 100)).hits:
            own = hit.document.ref.key == key
            (right if own else wrong).append((hit.relevance, hit.score))
    relevance, cosine = (
        np.mean([(one[n] > np.array(wrong)[:, n]).mean() for one in right]) for n in (0, 1)
    )
    assert (len(right), len(wrong)) == (85, 85 * 84)
    assert relevance >= 0.97
    assert relevance > cosine + 0.01


def test_the_subject_of_a_uniform_bucket_is_found(farm, captions):
    own = [key in relevant(farm, TextQuery(captions[key])) for key in HOOFED]
    assert sum(own) >= 5
    assert len(relevant(farm, TextQuery("a hoofed animal"))) >= 4
    assert relevant(farm, TextQuery("a screwdriver")) == []


def test_relevance_does_not_depend_on_other_images(searcher, farm, captions):
    for key in HOOFED:
        search = Search(TextQuery(captions[key]), 100)
        among_all, among_them = (
            {hit.document.ref.key: hit.relevance for hit in some.search(search).hits}
            for some in (searcher, farm)
        )
        assert among_them == pytest.approx({other: among_all[other] for other in HOOFED})


def test_photos_find_photos_of_their_kind_and_few_others(searcher):
    documents = searcher.list_documents(ListRequest(limit=100)).documents
    keys = [document.ref.key for document in documents]
    kinds = dict(zip(keys, kinds_of([Path(key).stem for key in keys]), strict=True))
    kept, others = [], []
    for document in documents:
        key, kind = document.ref.key, kinds[document.ref.key]
        found = relevant(searcher, StoredQuery(document.id))
        kept += [other in found for other in kinds if kinds[other] == kind and other != key]
        others.append(sum(kinds[other] != kind for other in found))
    assert np.mean(kept) >= 0.65
    assert np.mean(others) <= 3


@pytest.mark.parametrize("key", ["animals/owl.webp", "landmarks/taj-mahal.webp"])
def test_a_reduced_copy_finds_its_original(key, searcher):
    file = io.BytesIO()
    with Image.open(SAMPLES / key) as photo:
        photo.convert("RGB").resize((200, 200)).save(file, "JPEG", quality=30)
    assert relevant(searcher, ImageQuery(file.getvalue()), 0.8)[:1] == [key]
