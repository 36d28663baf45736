"""Words to vectors: tokenised and embedded in one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Embedding
from imagesearch.embedding.clip_text import cleaned
from imagesearch.embedding.manifest import Manifest
from imagesearch.embedding.model_files import verified
from imagesearch.embedding.pooling import mean_over, projection
from imagesearch.embedding.session import Graph
from imagesearch.embedding.tokenizer import TextTokenizer, Tokens
from imagesearch.embedding.vectors import normalised

TEXTS_AT_A_TIME = 16


class OnnxTextEncoder:
    """Embeds texts with a manifest's text tower; may be used from several threads."""

    def __init__(self, folder: Path, manifest: Manifest, *, threads: int | None = None) -> None:
        """Load tokenizer and graph; raises ConfigurationError."""
        self._manifest = manifest
        tower = manifest.text
        self._inputs = [name for name in (tower.input_ids, tower.attention_mask) if name]
        self._tokenizer = TextTokenizer(
            verified(folder, tower.tokenizer, manifest),
            tower.max_length,
            tower.pad_token_id,
            fixed=tower.length == "fixed",
            clean=cleaned if tower.clean == "clip" else None,
        )
        self._projection = (
            projection(verified(folder, tower.projection, manifest), manifest.dimension)
            if tower.projection
            else None
        )
        path = verified(folder, tower.graph, manifest)
        self._graph = Graph(path, self._inputs, tower.output, threads)
        self._at_a_time = self._graph.at_a_time(TEXTS_AT_A_TIME)

    @property
    def model(self) -> str:
        return self._manifest.name

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Embed texts: [N, D] float32, L2-normalised, in their order.

        Raises InvalidQuery for a text to which the model gives no direction.
        """
        parts = [self._embed(tokens) for tokens in self._batches(texts)]
        empty = np.empty((0, self._manifest.dimension), np.float32)
        vectors, good = normalised(np.concatenate([empty, *parts]))
        if not good.all():
            text = texts[int(np.argmin(good))]
            raise InvalidQuery(
                f"{self.model} gives no usable vector for {text[:80]!r}",
                "say it in other words",
                code="invalid_text",
            )
        return vectors

    def _batches(self, texts: Sequence[str]) -> Iterator[Tokens]:
        for start in range(0, len(texts), self._at_a_time):
            yield self._tokenizer(texts[start : start + self._at_a_time])

    def _embed(self, tokens: Tokens) -> Embedding:
        given = self._graph.run(dict(zip(self._inputs, tokens, strict=False)))
        if self._manifest.text.pooling == "mean":
            given = mean_over(tokens.attention_mask, given)
        return given if self._projection is None else given @ self._projection
