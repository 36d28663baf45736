"""Writes tokens.json.gz: 2,000 unusual texts with their tokens by the reference tokenizers of CLIP.

Run where these are installed (torch is not needed, and is replaced by an empty module):
pip install --no-deps open_clip_torch==3.3.0 ftfy==6.3.1 wcwidth regex \
    transformers==4.57.6 tokenizers==0.22.2 "huggingface_hub<1" and what these import
python tests/unit/embedding/reference/make_tokens.py

Each entry is [kind, text, ids of open_clip, ids of the Python tokenizer of transformers]; equal
second lists are null. transformers uses ftfy here, as it recommends.
"""

import gzip
import importlib.util
import json
import random
import sys
import tempfile
import types
import unicodedata
from pathlib import Path

from transformers import CLIPTokenizer

HERE = Path(__file__).parent
LENGTH, TEXTS = 77, 2_000
NOUNS = "dog cat bicycle lighthouse mountain teapot violin airplane skyscraper zebra".split()
MORE = "red tiny snowy antique photorealistic blurry underwater upside-down T-shirt 4K".split()
FOREIGN = [
    "collie auf der Wiese", "été à la plage", "niño con paraguas", "smørrebrød på bordet",
    "żółw i łódź", "İstanbul'da gün batımı", "собака на пляже", "γάτα στον ΚΗΠΟΣ", "כלב בחוף הים",
    "كلب على الشاطئ", "समुद्र तट पर कुत्ता", "สุนัขบนชายหาด", "해변의 개", "砂浜の犬", "沙滩上的狗",
    "ネコとﾈｺ",
    "con chó trên bãi biển", "ძაღლი", "Straße GROẞ", "ǆ ǅ Ǆ ŉ ﬁnd the oﬃce", "ſtraße",
]  # fmt: skip
EMOJI = ["🚲", "🐕‍🦺", "👩🏽‍🚀", "🇨🇭", "❤️", "☃", "👨‍👩‍👧‍👦", "1️⃣", "🫠", "™", "½", "№5", "→", "±2°C"]
ENTITIES = [
    "&amp;",
    "&eacute;",
    "&#39;",
    "&#x1F600;",
    "&lt;b&gt;",
    "&amp;amp;",
    "&rsquo;",
    "&nbsp;",
]
ENTITIES += ["&copy 2020", "&notanentity;", "AT&T", "&quot;hi&quot;", "a < b &gt; c", "&hellip;"]
CONTRACTIONS = "it's don't we'll I'm they've you're she'd O'Neill rock'n'roll dogs' 'tis".split()
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2009", "\u2028", "\x85", "\x0b"]
MARKS = [*"!?.,;:-_/\\|@#$%^*()[]{}~`+=<>\"'…–—•«»¿¡§€£¥", "...", "!!!", "?!", "--", "://"]
WRONGLY_DECODED = ["naÃ¯ve", "cafÃ©", "itâ€™s", "â€œquotedâ€\x9d", "Ã¼ber", "sÃ£o paulo", "ðŸ˜€"]


def texts(rng: random.Random) -> dict[str, str]:
    """Distinct texts, with their kind."""
    made: dict[str, str] = dict.fromkeys(WRONGLY_DECODED, "wrongly decoded")
    makers = [plain, foreign, emoji, entities, contractions, curly, spaces, marks, digits, long]
    makers += [letters, controls, decomposed, mixed]
    made[""] = "plain"
    while len(made) < TEXTS:
        maker = rng.choice(makers)
        made.setdefault(maker(rng), maker.__name__)
    return made


def plain(rng: random.Random) -> str:
    return cased(
        rng, f"a photo of {rng.choice('a the'.split())} {' '.join(rng.sample(MORE, 2))} dog"
    )


def foreign(rng: random.Random) -> str:
    return cased(rng, f"{rng.choice(FOREIGN)} {rng.choice(['', *NOUNS, *FOREIGN])}")


def emoji(rng: random.Random) -> str:
    return f"{rng.choice(NOUNS)}{rng.choice(['', ' '])}{''.join(rng.choices(EMOJI, k=3))} ok"


def entities(rng: random.Random) -> str:
    one, other = rng.choices(ENTITIES, k=2)
    return f"{rng.choice(NOUNS)} {one}{rng.choice(['', ' ', 'x'])}{other}"


def contractions(rng: random.Random) -> str:
    return cased(rng, " ".join(rng.choices([*CONTRACTIONS, *NOUNS], k=4)))


def curly(rng: random.Random) -> str:
    return contractions(rng).replace("'", "’") + rng.choice([" “so called”", " ‘x’", " „tief“", ""])


def spaces(rng: random.Random) -> str:
    return "".join(rng.choice(SPACES) + rng.choice(NOUNS) for _ in range(4)) + rng.choice(SPACES)


def marks(rng: random.Random) -> str:
    return "".join(rng.choice([*MARKS, " ", rng.choice(NOUNS)]) for _ in range(8))


def digits(rng: random.Random) -> str:
    number = f"{rng.randrange(10**6)} {rng.random():.3f} {rng.randrange(99)}th"
    return f"{number} ٣٤ ² Ⅷ {rng.choice(MORE)}"


def long(rng: random.Random) -> str:
    return " ".join(rng.choices([*NOUNS, *MORE, *FOREIGN, *EMOJI], k=rng.randrange(60, 200)))


def letters(rng: random.Random) -> str:
    planes = [(0xC0, 0x24F), (0x370, 0x52F), (0x900, 0xDFF), (0x1E00, 0x1FFE), (0x4E00, 0x9FFF)]
    drawn = (chr(rng.randint(*rng.choice(planes))) for _ in range(rng.randrange(1, 12)))
    # Libraries differ in their Unicode versions; characters unknown to the oldest are excluded.
    return "".join(letter for letter in drawn if unicodedata.category(letter) != "Cn")


def controls(rng: random.Random) -> str:
    odd = ["\x00", "\x1b[31m", "\x1b", "\ufeff", "\u200b", "\u200d", "\u202e", "\x7f", "\ufffd"]
    return f"{rng.choice(NOUNS)}{rng.choice(odd)}{rng.choice(NOUNS)}{rng.choice(odd)}"


def decomposed(rng: random.Random) -> str:
    return f"cafe\u0301 {rng.choice(NOUNS)} A\u030angstro\u0308m n\u0303 {rng.choice(FOREIGN)}"


def mixed(rng: random.Random) -> str:
    return " ".join(rng.choice([curly, emoji, foreign, entities, digits])(rng) for _ in range(3))


def cased(rng: random.Random, text: str) -> str:
    return rng.choice([str, str.upper, str.title, str.capitalize])(text)


def open_clip_tokenizer() -> types.ModuleType:
    sys.modules["torch"] = torch = types.ModuleType("torch")
    torch.Tensor = torch.LongTensor = object
    package = Path(importlib.util.find_spec("open_clip").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", package / "tokenizer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    ours = open_clip_tokenizer()._tokenizer
    model = json.loads((HERE.parent / "data" / "clip-tokenizer.json").read_text())["model"]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, merges = Path(folder) / "vocab.json", Path(folder) / "merges.txt"
        vocabulary.write_text(json.dumps(model["vocab"]))
        lines = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
        merges.write_text("\n".join(["#version: 0.2", *lines, ""]))
        theirs = CLIPTokenizer(str(vocabulary), str(merges))
    entries = []
    for text, kind in texts(random.Random(5)).items():
        ids = [ours.sot_token_id, *ours.encode(text), ours.eot_token_id]
        ids = ids if len(ids) <= LENGTH else [*ids[: LENGTH - 1], ours.eot_token_id]
        other = theirs(text, truncation=True, max_length=LENGTH)["input_ids"]
        entries.append([kind, text, ids, None if other == ids else other])
    data = json.dumps(entries, separators=(",", ":")).encode()
    (HERE / "tokens.json.gz").write_bytes(gzip.compress(data, 9, mtime=0))


if __name__ == "__main__":
    main()
