"""Queries that a model for English does not understand are detected; names and English are not."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.calibration.calibration_set import shipped_set
from imagesearch.domain.queries import ImageQuery, MixedQuery, Term, TextQuery
from imagesearch.search.query_language import (
    Alternative,
    LanguageNotices,
    foreign_script,
    has_foreign_words,
    vocabularies,
)

QUERIES = Path(__file__).with_name("foreign_queries.tsv")
# English, with names and loan words of other languages.
ENGLISH = """
Café de Flore; Schwarzwald; jalapeño; piñata; El Niño; Arc de Triomphe; La Sagrada Familia;
Rio de Janeiro; São Paulo; Los Angeles; Des Moines; Big Sur; Playa del Carmen;
Día de los Muertos; Tour de France; Leonardo da Vinci; Vincent van Gogh; Der Spiegel; Die Hard;
Das Boot; La La Land; Una Stubbs; film noir; Moulin Rouge; Casa Batlló; Mardi Gras; Zürich;
München; Kraków; Łódź; Malmö; smörgåsbord; doppelgänger; kindergarten; déjà vu; art nouveau;
haute couture; Notre-Dame de Paris; Champs-Élysées; croissant; gnocchi; prosciutto; dolce vita;
Piazza San Marco; Ponte Vecchio; Neuschwanstein; Brandenburger Tor; sauerkraut; pierogi; IKEA;
Keukenhof; mise en place; en route; hors d'oeuvre; Frida Kahlo; lucha libre; tacos al pastor;
empanada; paella; Costa Rica; capoeira; caipirinha; açaí; naïve; façade; résumé; smørrebrød;
hygge; La Bohème; Così fan tutte; Les Misérables; Le Petit Prince; La casa de papel;
Volkswagen Käfer; FC Barcelona; dulce de leche; foie gras; quiche lorraine; tarte tatin;
pain au chocolat; coq au vin; chile con carne; Glühwein; lederhosen;
a Perro Semihundido print by Goya; the word Hund on a sign; dachshund; auto; strand; pie;
MIT campus; Tokyo 東京 tower; a sign that says ВХОД; π; 5 µm; x²; 𝔣𝔞𝔫𝔠𝔶 text; Ångström; 🐕;
IMG_4032.JPG; ; !!!;
chicken con carne; con artist in prison; an old man; bike over bridge; red hot chili peppers;
sin city at night; par three golf hole; en suite bathroom; café au lait; bánh mì; phở; döner kebab;
nasi goreng; batik sarong; orang utan; Istanbul Grand Bazaar; Beşiktaş; Hồ Chí Minh; Đà Nẵng;
Ho Chi Minh City; Bali rice terrace; Smørrebrød; Nyhavn Copenhagen; Tivoli; Erdoğan; Atatürk;
Häagen-Dazs; Citroën; Škoda; Nestlé; L'Oréal; Hermès; Lidl; Zara; Mango; Adidas; Puma; Fjällräven;
asdfgh; qwertz uiop; xkcd; lorem ipsum dolor sit amet; blorp snarg fleeb; foo bar baz; zzz; a b c;
barn in snow; gift on table; angel wings; hat stand; dog den; kind man; bald man; rock band; fast
car; star at night; man on bike; boat on sea; pie and tart; sort of cake; hem of dress; art museum;
sunset; bike; pan with eggs; tan boots; tug boat; ski jump; sari; sushi; manga; kimono; anime girl;
mosque minaret; bazaar; yoga mat; hotel lobby; kayak; sauna; moped; ombudsman; slalom; fjord; troll
"""


def is_flagged(text: str) -> bool:
    return bool(foreign_script(text)) or has_foreign_words(text)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("красная машина", "Cyrillic"),
        ("γάτα", "Greek"),
        ("כלב בחוף", "Hebrew"),
        ("خبز", "Arabic"),
        ("गाड़ी", "Devanagari"),
        ("หมา", "Thai"),
        ("犬", "Han"),
        ("ネコ", "Japanese"),
        ("우산", "Hangul"),
        ("iPhone 用の充電器の写真", "Han"),
        ("красная BMW", "Cyrillic"),
    ],
)
def test_another_script_is_named(text: str, script: str) -> None:
    assert foreign_script(text) == script


def test_most_queries_in_fifteen_of_sixteen_languages_are_detected() -> None:
    """docs/how-to/use-the-api.md has the figures."""
    found: dict[str, list[bool]] = defaultdict(list)
    with QUERIES.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            found[row["language"]].append(has_foreign_words(row["query"]))
    assert {name: sum(each) for name, each in found.items()} == {
        "de": 19, "fr": 14, "es": 16, "it": 18, "pt": 16, "nl": 18, "pl": 15, "sv": 19,
        "tr": 16, "vi": 18, "id": 19, "da": 17,
        "cs": 14, "fi": 6, "hu": 14, "ro": 17,
    }  # fmt: skip
    assert {len(each) for each in found.values()} == {20}


def test_no_label_sentence_and_no_caption_is_flagged() -> None:
    samples = shipped_set()
    texts = [*samples.labels, *samples.captions]
    assert len(texts) == 1085
    assert [text for text in texts if is_flagged(text)] == []
    names = [name for text in samples.labels for name in text.partition(":")[0].split(", ")]
    assert [name for name in names if is_flagged(name)] == []


@pytest.mark.parametrize("text", [each.strip() for each in ENGLISH.split(";")])
def test_english_names_and_loan_words_are_not_flagged(text: str) -> None:
    assert not is_flagged(text)
    assert not is_flagged(text.lower())


def test_words_that_languages_share_with_english_are_not_distinctive() -> None:
    for vocabulary in vocabularies().values():
        assert not vocabulary.shared & vocabulary.distinctive
        assert not {"red", "car", "dog", "hotel", "piano", "banana"} & vocabulary.distinctive


@given(st.text(max_size=200))
def test_any_text_is_decided(text: str) -> None:
    assert is_flagged(text) in (True, False)


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_a_text_with_an_english_article_is_not_flagged(text: str) -> None:
    assert not is_flagged(f"{text} the {text} of with".replace("_", " "))


def test_the_notice_names_the_model_that_understands_the_query() -> None:
    plain = LanguageNotices("clip")
    same = LanguageNotices("clip", lambda: Alternative("polyglot", same_index=True))
    other = LanguageNotices("clip", lambda: Alternative("polyglot", same_index=False))
    query = TextQuery("ein Hund am Strand")
    cause = "The query does not seem to be in English, and the model clip understands English only."
    assert plain.notice(query) == cause
    assert same.notice(query) == (
        f"{cause} The model polyglot understands more languages, and searches the same index."
    )
    assert other.notice(query) == (
        f"{cause} The model polyglot understands more languages, and needs an index of its own."
    )
    mixed = MixedQuery((Term(ImageQuery(b"")), Term(TextQuery("犬"), -1.0)))
    assert str(plain.notice(mixed)).startswith("The query is in Han script")
    assert same.notice(TextQuery("a dog on a beach")) is None
    assert same.notice(ImageQuery(b"")) is None
