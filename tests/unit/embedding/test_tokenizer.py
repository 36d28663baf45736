"""Tokenizer: the tokens equal those of the training of CLIP."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.model_catalog import catalog_entries
from imagesearch.embedding.tokenizer import TextTokenizer, cleaned, cleaner

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
def test_the_tokens_equal_those_of_open_clip_and_transformers(kind, tokenizer):
    """If they differ (for nested or unfinished entities, or entities next to a <), the tokens of
    open_clip are expected, which equal those of OpenAI."""
    texts = {text: ids for given, text, ids, _ in REFERENCE if given == kind}
    wrong = {text for text, ids in texts.items() if tokens(tokenizer, text) != ids}
    assert not wrong


def test_open_clip_and_transformers_differ_only_for_repeatedly_escaped_entities():
    apart = {kind for kind, _, _, other in REFERENCE if other}
    assert apart == {"entities", "mixed"}


def test_text_decoded_with_a_wrong_encoding_is_not_repaired(tokenizer):
    """ftfy guesses the original encoding, but typed queries are never decoded wrongly."""
    for kind, text, ids, _ in REFERENCE:
        if kind == WRONGLY_DECODED:
            mine = tokens(tokenizer, text)
            assert mine != ids
            assert (mine[0], mine[-1]) == (START, END)


def test_a_long_text_is_truncated_to_77_tokens_with_its_end_token(tokenizer):
    long = [(text, ids) for kind, text, ids, _ in REFERENCE if kind == "long"]
    cut = [text for text, ids in long if len(ids) == LENGTH]
    assert len(cut) > 50
    for text in cut:
        mine = tokens(tokenizer, text)
        assert (len(mine), mine[-1], mine.count(END)) == (LENGTH, END, 1)


def test_typographic_quotes_equal_ascii_quotes(tokenizer):
    assert tokens(tokenizer, "it’s a “dog”") == tokens(tokenizer, 'it\'s a "dog"')


def test_every_english_clip_uses_this_text_cleaning():
    for model in catalog_entries():
        assert (model.manifest["text"].get("clean") == "clip") == model.name.startswith("clip-")


def test_siglip_texts_are_in_lower_case_and_padded_to_a_fixed_length(tiny_model):
    tokenizer = TextTokenizer(
        tiny_model / "tokenizer.json", 8, 0, fixed=True, clean=cleaner("lower")
    )
    assert tokens(tokenizer, "A Red BICYCLE") == [2, 4, 5, 8, 3, 0, 0, 0]


def test_a_padding_token_that_the_tokenizer_does_not_have_is_rejected(tiny_model):
    with pytest.raises(ConfigurationError, match="no token with the ID 9,"):
        TextTokenizer(tiny_model / "tokenizer.json", 8, 9)
