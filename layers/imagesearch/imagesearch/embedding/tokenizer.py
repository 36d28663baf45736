"""Texts to token ids, no longer than the model reads and no more padded than it needs.

Text as CLIP was trained on it: entities, quotes, ligatures and widths made plain, in lower case.

OpenAI's tokenizer, open_clip's and the one of transformers in Python clean with ftfy before they
split; a tokenizer.json alone does not. These are ftfy's steps in its order, but for the repair of
text that was decoded with a wrong encoding: https://ftfy.readthedocs.io/en/latest/config.html
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from imagesearch.domain.errors import ConfigurationError


class Tokens(NamedTuple):
    """Both [N, L] int64, L the longest text of the batch, or the model's length where that is
    fixed; the mask is 1 where a token is."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]


class TextTokenizer:
    """A tokenizer.json with this model's length and padding instead of its own."""

    def __init__(
        self,
        path: Path,
        max_length: int,
        pad_token_id: int,
        *,
        fixed: bool = False,
        clean: Callable[[str], str] | None = None,
    ) -> None:
        """Raises ConfigurationError."""
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception
            raise ConfigurationError(
                f"{path} cannot be loaded: {error}", "fetch the model again", "invalid_model"
            ) from error
        # Truncation is done before the end token is added, so that a long text keeps it.
        self._tokenizer.enable_truncation(max_length)
        self._tokenizer.no_padding()
        self._pad = pad_token_id
        self._shortest = max_length if fixed else 0
        self._clean = clean

    def __call__(self, texts: Sequence[str]) -> Tokens:
        valid = [_valid(text) for text in texts]
        if self._clean:
            valid = [self._clean(text) for text in valid]
        rows = [encoded.ids for encoded in self._tokenizer.encode_batch(valid)]
        length = max(self._shortest, *map(len, rows))
        ids = np.full((len(rows), length), self._pad, np.int64)
        mask = np.zeros_like(ids)
        for row, (tokens, ones) in zip(rows, zip(ids, mask, strict=True), strict=True):
            tokens[: len(row)] = row
            ones[: len(row)] = 1
        return Tokens(ids, mask)


def _valid(text: str) -> str:
    """JSON may carry half of a surrogate pair, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()


_TERMINAL = re.compile("\033\\[[\\d;]*[a-zA-Z]")
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")
_LIGATURES = "ĲĳŉǱǲǳǄǅǆǇǈǉǊǋǌﬀﬁﬂﬃﬄﬅﬆ"
_WIDTHS = [0x3000, *range(0xFF01, 0xFFF0)]
_QUOTES = {"'": "\u02bc\u2018\u2019\u201a\u201b", '"': "\u201c\u201d\u201e\u201f"}
_CONTROLS = [
    *range(9), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070), 0xFEFF,
    *range(0xFFF9, 0xFFFD),
]  # fmt: skip
_LINE_BREAKS = "\u2028\u2029"
_PLAIN: dict[int, str | None] = (
    # NFKC would turn the long s of its ligature into another letter.
    {ord(letter): unicodedata.normalize("NFKC", letter) for letter in _LIGATURES}
    | {ord("ŉ"): "ʼn", ord("ﬅ"): "ſt"}
    | {code: unicodedata.normalize("NFKC", chr(code)) for code in _WIDTHS}
    # Control characters of Latin-1 that nobody means: they are letters of Windows-1252.
    | {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
)
_PLAINER: dict[int, str | None] = (
    {ord(curly): straight for straight, curled in _QUOTES.items() for curly in curled}
    | dict.fromkeys(map(ord, _LINE_BREAKS), "\n")
    | dict.fromkeys(_CONTROLS)
)


def cleaned(text: str) -> str:
    """The text as the tokenizer is to see it."""
    while (fixed := _fixed(text)) != text:
        text = fixed
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


def _fixed(text: str) -> str:
    if "<" not in text:
        # With a tag, entities may be meant to be there.
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    text = _TERMINAL.sub("", text)
    # A quote may be made of a ligature, so one table comes after the other.
    return unicodedata.normalize("NFC", text.translate(_PLAIN).translate(_PLAINER))
