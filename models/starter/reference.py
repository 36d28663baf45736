"""The starter model in float32 and numpy: the reference for the shipped graphs.

Shares no code with the graph builders, so that an error there lowers the cosine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from imagesearch.embedding.session import open_session
from models import Floats
from models.evaluation.reference_pipeline import Preprocess, token_batch
from models.starter.image_graph import LABELS_USED, TEMPERATURE, ImageBlocks
from models.starter.sources import Sources


class Reference:
    """Embeds texts and images one by one, so that nothing is padded."""

    def __init__(self, sources: Sources) -> None:
        # One thread: label embeddings become part of the graph and must be reproducible.
        self._text = open_session(sources.text, threads=1)
        self._image = open_session(sources.image)
        self._tokenizer = open_tokenizer(sources)

    def words(self, texts: Sequence[str]) -> Floats:
        """MiniLM, mean over the tokens, L2: [N, 384]."""
        states = [
            self._text.run(["last_hidden_state"], token_batch(self._tokenizer, [text]))[0][0]
            for text in texts
        ]
        return unit_length(np.stack([state.mean(axis=0) for state in states]))

    def classify(
        self, pictures: Sequence[Image.Image], preprocess: Preprocess
    ) -> tuple[Floats, Floats]:
        """Features [N, 1280] and logits [N, 1000]."""
        names = ["features", "logits"]
        pixels = (preprocess.pixel_values(picture)[None] for picture in pictures)
        results = [self._image.run(names, {"pixel_values": one}) for one in pixels]
        return np.concatenate([r[0] for r in results]), np.concatenate([r[1] for r in results])


def conse(logits: Floats, labels: Floats) -> Floats:
    """Mean of the likeliest labels' embeddings, weighted by probability; [N, 384]."""
    cooled = np.exp((logits - logits.max(axis=1, keepdims=True)) / TEMPERATURE)
    likeliest = np.argsort(-cooled, axis=1, kind="stable")[:, :LABELS_USED]
    shares = np.take_along_axis(cooled, likeliest, axis=1)
    shares /= shares.sum(axis=1, keepdims=True)
    return unit_length(np.einsum("nk,nkd->nd", shares, labels[likeliest]))


def appearance(features: Floats, directions: Floats) -> Floats:
    """Second block, [N, directions]."""
    return unit_length(np.sqrt(features) @ directions)


def joined(words: Floats, second: Floats, weight: float) -> Floats:
    """Both blocks as one normalized vector; `weight` is the second block's share of the cosine."""
    return np.concatenate([(1 - weight) ** 0.5 * words, weight**0.5 * second], axis=1)


def image_embeddings(features: Floats, logits: Floats, blocks: ImageBlocks) -> Floats:
    """[N, 512]."""
    first = conse(logits, blocks.labels)
    return joined(first, appearance(features, blocks.directions), blocks.weight)


def unit_length(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def open_tokenizer(sources: Sources) -> Tokenizer:
    """MiniLM's tokenizer without its padding and truncation to 128, which the caller decides."""
    tokenizer = Tokenizer.from_file(str(sources.tokenizer))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
