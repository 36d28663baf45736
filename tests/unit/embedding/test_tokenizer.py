"""Tokenizer: the same tokens as in the training of CLIP."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from imagesearch.embedding.model_catalog import catalog_entries
from imagesearch.embedding.tokenizer import TextTokenizer, cleaned

HERE = Path(__file__).parent
START, END, LENGTH = 49406, 49407, 77
REFERENCE = json.loads(gzip.decompress((HERE / "reference" / "tokens.json.gz").read_bytes()))
WRONGLY_DECODED = "wrongly decoded"


@pytest.fixture(scope="module")
def tokenizer():
    path = HERE / "data" / "clip-tokenizer.json"
    return TextTokenizer(path, LENGTH, END, clean=cleaned)


def tokens(tokenizer, text):
    return tokenizer([text]).input_ids[0].tolist()


def test_the_reference_has_2000_texts_of_many_kinds():
    kinds = Counter(kind for kind, *_ in REFERENCE)
    assert len({text for _, text, *_ in REFERENCE}) == 2_000
    assert len(kinds) == 15
    assert min(count for kind, count in kinds.items() if kind != WRONGLY_DECODED) >= 50


@pytest.mark.parametrize("kind", sorted({kind for kind, *_ in REFERENCE} - {WRONGLY_DECODED}))
def test_the_tokens_are_open_clips_and_transformers(kind, tokenizer):
    """Where the two differ (entities that are nested, unfinished or beside a <), open_clip, which
    does as OpenAI's own, is followed."""
    texts = {text: ids for given, text, ids, _ in REFERENCE if given == kind}
    wrong = {text for text, ids in texts.items() if tokens(tokenizer, text) != ids}
    assert not wrong


def test_the_two_differ_only_where_entities_are_read_twice():
    apart = {kind for kind, _, _, other in REFERENCE if other}
    assert apart == {"entities", "mixed"}


def test_text_that_was_decoded_with_a_wrong_encoding_is_taken_as_it_is(tokenizer):
    """ftfy guesses what such text once was; a query that is typed is not like that."""
    for kind, text, ids, _ in REFERENCE:
        if kind == WRONGLY_DECODED:
            mine = tokens(tokenizer, text)
            assert mine != ids
            assert (mine[0], mine[-1]) == (START, END)


def test_a_long_text_is_cut_at_77_tokens_and_keeps_its_end(tokenizer):
    long = [(text, ids) for kind, text, ids, _ in REFERENCE if kind == "long"]
    cut = [text for text, ids in long if len(ids) == LENGTH]
    assert len(cut) > 50
    for text in cut:
        mine = tokens(tokenizer, text)
        assert (len(mine), mine[-1], mine.count(END)) == (LENGTH, END, 1)


def test_quotes_of_a_phone_are_those_of_a_keyboard(tokenizer):
    assert tokens(tokenizer, "it’s a “dog”") == tokens(tokenizer, 'it\'s a "dog"')


def test_every_clip_in_english_is_cleaned_so():
    for model in catalog_entries():
        assert (model.manifest["text"].get("clean") == "clip") == model.name.startswith("clip-")
