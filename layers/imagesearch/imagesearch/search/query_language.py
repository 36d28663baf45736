"""Detection of queries that are not in English, for models that understand English only.

A query is detected by the script of its letters, or by words of sixteen languages in Latin script.
These are the words of the emoji annotations of Unicode CLDR (animals, food, objects, people,
colors) without those that English uses, too, among them names of places: a name or a loan word is
not detected. `models.evaluation.query_words` makes the list and measures the detection.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from imagesearch.domain.queries import Query, TextQuery, leaf_queries

DATA = Path(__file__).parent / "data"
WORDS = DATA / "words.txt"
# German writes nouns with a capital; elsewhere capitals inside a query mark names.
GERMAN = "de"
# A word of one of these scripts may have a single character.
_SYLLABIC = {"CJK": "Han", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Hangul"}
_MIN_LETTERS = 4  # of a query of one word
_WORD = re.compile(r"\w+")
_ENGLISH = frozenset(
    "a an the of with and from is are to my at by for near under behind his her their its this"
    " that on in it our your some between over into through during while two three".split()
)
# Articles, prepositions, conjunctions and auxiliaries; they support other evidence.
_FUNCTION_WORDS = {
    "cs": "v ve na s se z ze k ke o do od pod nad za před u při vedle mezi bez po a i nebo je jsou"
    " není který která dva dvě tři",
    "da": "en et den det de og eller med uden på i under over foran bag ved mellem af fra til som"
    " er ikke to tre hos gennem",
    "de": "der die das den dem des ein eine einer einem einen eines und oder mit auf im am in an"
    " aus bei vom von zum zur für über unter vor hinter neben zwischen ohne ist sind nicht zwei"
    " drei durch nach um",
    "es": "el la los las un una unos unas de del al y o con sin en sobre bajo junto para por que"
    " es son dos tres entre desde hacia su sus",
    "fi": "ja tai ovat ei joka jossa kanssa ilman alla päällä edessä takana vieressä välissä luona"
    " kaksi kolme",
    "fr": "le la les un une des du de au aux et ou avec sans dans sur sous en à par pour devant"
    " derrière près qui que est sont deux trois entre vers chez son sa ses leur d l",
    "hu": "a az egy és vagy nélkül alatt fölött felett mögött előtt mellett között van vannak nem"
    " ami aki két három",
    "id": "dan di yang dengan tanpa atas bawah dalam untuk pada dari ke sebuah seekor seorang"
    " sedang dua tiga itu ini antara dekat",
    "it": "il lo la i gli le un uno una di del della dei delle dello degli al alla alle ai allo e o"
    " con senza in nel nella nei nelle su sul sulla sui sulle per che è sono due tre tra fra da"
    " dal dalla",
    "nl": "de het een en of met zonder op in aan bij van naar voor achter onder boven naast tussen"
    " uit door over te ten zijn is die dat twee drie tijdens langs",
    "pl": "na w we z ze i lub do od pod nad za przed przy obok między bez dla po o u jest są się"
    " nie który która dwa dwie trzy oraz",
    "pt": "o a os as um uma uns umas de do da dos das ao aos à às e ou com sem em no na nos nas num"
    " numa sobre sob para por pelo pela que é são dois duas três entre",
    "ro": "un o unei unui al a ai ale de din la pe în cu fără sub peste lângă între pentru și sau"
    " este sunt nu care doi două trei",
    "sv": "en ett den det de och eller med utan på i vid under över framför bakom bredvid mellan av"
    " från till för som är inte två tre ur hos genom",
    "tr": "ve veya ile bir bu için altında üstünde üzerinde yanında içinde arasında olan iki üç de"
    " da ki önünde arkasında",
    "vi": "và trên dưới trong với của một những các đang ở bên cạnh ngoài hai ba là có vào cho khi",
}
# Those that names and loan words do not have: with two other words of the language, they suffice.
_STRONG = {
    "cs": "ve na ze nebo nad před při vedle mezi bez je jsou který která",
    "da": "og eller med uden på foran bag mellem af fra som ikke hos gennem",
    "de": "und mit auf im bei vom zum zur für über unter vor hinter neben zwischen ohne ist sind"
    " nicht einem einen einer eines nach durch",
    "es": "con en sobre bajo junto para por que son entre desde hacia",
    "fi": "ja ovat joka jossa kanssa ilman päällä edessä takana vieressä",
    "fr": "et ou avec sans dans sur sous en devant derrière près qui que sont entre vers chez au"
    " aux",
    "hu": "az egy és vagy nélkül alatt fölött felett mögött előtt mellett között vannak",
    "id": "dan di yang dengan tanpa atas bawah dalam untuk pada dari sebuah seekor seorang sedang",
    "it": "con senza nel nella nei nelle sul sulla sui sulle che sono tra dal dalla",
    "nl": "met zonder op aan bij naar voor achter onder naast tussen uit een het zijn",
    "pl": "na w ze lub pod nad przed przy obok między bez jest są nie która",
    "pt": "com sem em na nas num numa sobre sob para por pelo pela são entre",
    "ro": "din pe în cu fără peste lângă între pentru și sau este sunt",
    "sv": "ett och eller med utan på vid över framför bakom bredvid mellan från som är inte hos"
    " genom",
    "tr": "ve veya ile bir için altında üstünde üzerinde yanında içinde arasında olan",
    "vi": "và trên dưới trong với của một những các đang bên cạnh",
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words of a language: function words, those that English uses, too, and the others.

    `strong` are function words that no name has; `shared` has no loan words.
    """

    function: Set[str]
    strong: Set[str]
    shared: Set[str]
    distinctive: Set[str]
    loan: Set[str] = frozenset()


@cache
def vocabularies(path: Path = WORDS) -> dict[str, Vocabulary]:
    """The words by language, from a file with lines `language kind word word …`."""
    kinds: dict[tuple[str, str], frozenset[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        language, kind, *words = line.split(" ")
        kinds[language, kind] = frozenset(words)
    return {
        language: Vocabulary(
            frozenset(function.split()),
            frozenset(_STRONG[language].split()),
            kinds[language, "shared"],
            kinds[language, "distinctive"],
            kinds["en", "loan"],
        )
        for language, function in _FUNCTION_WORDS.items()
    }


def foreign_script(text: str) -> str:
    """The script of most letters of a text if it is not Latin, such as Cyrillic; else empty."""
    if text.isascii():
        return ""
    scripts = Counter(map(_script, filter(_is_letter, unicodedata.normalize("NFKC", text))))
    others = scripts.total() - scripts["LATIN"]
    if 2 * others <= scripts.total():
        return ""
    del scripts["LATIN"]
    [(script, _)] = scripts.most_common(1)
    if others == 1 and script not in _SYLLABIC:
        return ""  # a symbol such as π
    return _SYLLABIC.get(script, script.capitalize())


def _is_letter(character: str) -> bool:
    return unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lo")


def _script(letter: str) -> str:
    """The first word of the character's name, which is its script: `GREEK SMALL LETTER PI`."""
    return unicodedata.name(letter, "UNKNOWN").partition(" ")[0]


def has_foreign_words(text: str, languages: Mapping[str, Vocabulary] | None = None) -> bool:
    """True if most words of a text are of a language other than English.

    `languages` replaces the vocabularies that ship.
    """
    text = unicodedata.normalize("NFKC", text)
    written = _WORD.findall(text.lower() if text.isupper() else text)
    words = [word for word in written if word.isalpha()]
    if not words or (len(words) == 1 and len(words[0]) < _MIN_LETTERS):
        return False
    distinct = {word.lower() for word in words}
    return any(
        _is_of(language, vocabulary, words, distinct)
        for language, vocabulary in (languages or vocabularies()).items()
    )


def _is_of(language: str, vocabulary: Vocabulary, written: list[str], words: set[str]) -> bool:
    evidence = words & vocabulary.distinctive
    if evidence and language != GERMAN:
        evidence &= _not_names(vocabulary, written)
    function = words & vocabulary.function
    if words & _ENGLISH - function:
        return False
    content = (words & vocabulary.distinctive) | (words & vocabulary.shared)
    if not evidence and not _is_phrase(vocabulary, written, words, content):
        return False
    return 2 * len(function | content) > len(words)


def _is_phrase(
    vocabulary: Vocabulary, written: list[str], words: set[str], content: set[str]
) -> bool:
    """True for a function word that names do not have, and two other words in small letters."""
    small = {word for word in written[1:] if word[0].islower()} | {written[0].lower()}
    others = (content & small) - vocabulary.function - vocabulary.loan - _ENGLISH
    return bool(words & vocabulary.strong) and len(others) >= 2


def _not_names(vocabulary: Vocabulary, written: list[str]) -> set[str]:
    """The words without a capital, and the first word if there is such a word of the language."""
    small = {word for word in written if word[0].islower()}
    known = (small & vocabulary.distinctive) | (small & vocabulary.shared)
    content = known - vocabulary.function
    return small | {written[0].lower()} if content else set()


@dataclass(frozen=True, slots=True)
class Alternative:
    """A model that understands other languages; `same_index`: it searches the current index."""

    model: str
    same_index: bool


@dataclass(frozen=True, slots=True)
class LanguageNotices:
    """Notices for the queries of a model that understands English only.

    `alternative` names a model that understands other languages, if there is one.
    """

    model: str
    alternative: Callable[[], Alternative | None] = field(default=lambda: None)

    def notice(self, query: Query) -> str | None:
        """A sentence for the user if a text of the query is not in English; else None."""
        texts = [leaf.text for leaf in leaf_queries(query) if isinstance(leaf, TextQuery)]
        for text in texts:
            if script := foreign_script(text):
                return self._sentence(f"The query is in {script} script")
            if has_foreign_words(text):
                return self._sentence("The query does not seem to be in English")
        return None

    def _sentence(self, cause: str) -> str:
        text = f"{cause}, and the model {self.model} understands English only."
        alternative = self.alternative()
        if alternative is None:
            return text
        use = "searches the same index" if alternative.same_index else "needs an index of its own"
        return f"{text} The model {alternative.model} understands more languages, and {use}."
