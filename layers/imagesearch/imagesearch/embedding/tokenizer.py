"""Texts to token ids, no longer than the model reads and no more padded than it needs."""

from __future__ import annotations

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
