"""Tokenizer: texts to token ids, truncated to the model's length and padded to the batch.

`cleaned` normalizes texts as for CLIP's training. The tokenizers of OpenAI, open_clip and
transformers in Python call ftfy before tokenization, which tokenizer.json does not include. These
are the steps of ftfy in its order, without the repair of wrongly decoded text:
https://ftfy.readthedocs.io/en/latest/config.html
"""

from __future__ import annotations

import copy
import html
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from imagesearch.domain.errors import ConfigurationError

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
    # NFKC would replace the long s of its ligature.
    {ord(letter): unicodedata.normalize("NFKC", letter) for letter in _LIGATURES}
    | {ord("ŉ"): "ʼn", ord("ﬅ"): "ſt"}
    | {code: unicodedata.normalize("NFKC", chr(code)) for code in _WIDTHS}
    # Control characters of Latin-1 are usually letters of Windows-1252.
    | {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
)
_PLAINER: dict[int, str | None] = (
    {ord(curly): straight for straight, curled in _QUOTES.items() for curly in curled}
    | dict.fromkeys(map(ord, _LINE_BREAKS), "\n")
    | dict.fromkeys(_CONTROLS)
)


class Tokens(NamedTuple):
    """Token ids and attention mask, both [N, L] int64.

    L is the longest text of the batch, or the model's length if that is fixed. The mask is 1 at
    tokens and 0 at padding.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]


class TextTokenizer:
    """A tokenizer.json with the length and padding of the manifest."""

    def __init__(
        self,
        path: Path,
        max_length: int,
        pad_token_id: int,
        *,
        fixed: bool = False,
        clean: Callable[[str], str] | None = None,
    ) -> None:
        """Load the file; raises ConfigurationError."""
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises bare Exception
            raise ConfigurationError(
                f"{path} cannot be loaded: {error}", "download the model again", "invalid_model"
            ) from error
        # Truncation precedes the addition of the end token, so that a long text keeps it.
        self._tokenizer.enable_truncation(max_length)
        self._tokenizer.no_padding()
        if self._tokenizer.id_to_token(pad_token_id) is None:
            raise ConfigurationError(
                f"{path} has no token with the ID {pad_token_id}, which pads texts",
                "correct pad_token_id in the manifest",
                "invalid_model",
            )
        self._pad = pad_token_id
        self._shortest = max_length if fixed else 0
        self._clean = clean

    def with_length(self, length: int | None) -> TextTokenizer:
        """The tokenizer with padding to at least `length` tokens, or to the longest of a batch."""
        other = copy.copy(self)
        other._shortest = length or 0
        return other

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
    """Replaces unpaired surrogates, which JSON permits and tokenizers reject."""
    return text.encode("utf-8", "replace").decode()


def cleaner(name: Literal["clip", "lower"] | None) -> Callable[[str], str] | None:
    """The normalization with this name in a manifest.

    `lower` is that of SigLIP 2, whose tokenizer.json does not include it:
    https://github.com/huggingface/transformers/pull/43101
    """
    if name is None:
        return None
    return cleaned if name == "clip" else str.lower


def cleaned(text: str) -> str:
    """The normalized text, in lower case, with single spaces."""
    while (fixed := _fixed(text)) != text:
        text = fixed
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


def _fixed(text: str) -> str:
    if "<" not in text:
        # With a tag, the text may be HTML, whose entities are intended.
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    text = _TERMINAL.sub("", text)
    # Two passes, because the first one may create a quote that the second one replaces.
    return unicodedata.normalize("NFC", text.translate(_PLAIN).translate(_PLAINER))
