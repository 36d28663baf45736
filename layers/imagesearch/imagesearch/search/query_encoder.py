"""Queries to vectors: one batch of texts, one of images and one look into the index for all.

Fetches the images that queries name by their address: all at once, each for itself.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from imagesearch.domain.errors import (
    ImageSearchError,
    InvalidQuery,
    NotAllowed,
    NotFound,
    UnreadableImage,
)
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import ImageEncoder, TextEncoder, VectorIndex, WebImages
from imagesearch.domain.queries import (
    ImageQuery,
    MixedQuery,
    Part,
    Query,
    StoredQuery,
    TextQuery,
    UrlQuery,
    parts,
)

# As many bytes as an image may have that is posted itself.
MOST_BYTES = 4_500_000
MAX_URLS = 4
HINT = "the operator can switch it on: --allow-urls, or AllowUrls of the stack"


def fetched(
    wanted: Sequence[UrlQuery], web: WebImages | None
) -> dict[Part, bytes | ImageSearchError]:
    """The bytes of each image, or why there are none. It takes as long as the slowest."""
    if len(wanted) > MAX_URLS:
        few = InvalidQuery(
            f"there are {len(wanted)} addresses in the request",
            f"send up to {MAX_URLS} at a time",
            "too_many_urls",
        )
        return dict.fromkeys(wanted, few)
    if not wanted:
        return {}
    with ThreadPoolExecutor(len(wanted)) as threads:
        return dict(zip(wanted, threads.map(lambda one: _fetch(one.url, web), wanted), strict=True))


def _fetch(url: str, web: WebImages | None) -> bytes | ImageSearchError:
    if web is None:
        return urls_off()
    try:
        return web.fetch(url, MOST_BYTES)
    except ImageSearchError as error:
        return error


def urls_off() -> NotAllowed:
    return NotAllowed("images are not fetched from the web here", HINT, "urls_off")


MAX_TEXT = 2_000
# Shorter sums are made of what float32 rounds off, and point anywhere.
SHORTEST = 1e-5

Found: TypeAlias = Embedding | ImageSearchError


@dataclass(frozen=True, slots=True)
class QueryEncoder:
    """Embeds queries; what is asked for twice is embedded once."""

    index: VectorIndex
    texts: TextEncoder
    images: ImageEncoder
    web: WebImages | None = None

    def one(self, query: Query) -> Embedding:
        """The vector of one query; raises why it has none."""
        [found] = self.encode([query])
        if isinstance(found, ImageSearchError):
            raise found
        return found

    def encode(self, queries: Sequence[Query]) -> list[Found]:
        """A vector [D] float32, L2-normalized, for each query, or why it has none.

        Raises Unavailable.
        """
        wanted = list(dict.fromkeys(part for query in queries for part in parts(query)))
        found: dict[Part, Found] = {}
        found |= self._of_texts([part for part in wanted if isinstance(part, TextQuery)])
        found |= self._of_images(wanted)
        found |= self._of_stored([part for part in wanted if isinstance(part, StoredQuery)])
        return [
            _mixed(query, found) if isinstance(query, MixedQuery) else found[query]
            for query in queries
        ]

    def _of_texts(self, wanted: Sequence[TextQuery]) -> dict[Part, Found]:
        good = [query for query in wanted if _is_text(query.text)]
        found: dict[Part, Found] = {query: _no_text(query.text) for query in wanted}
        return found | dict(zip(good, self._encoded([each.text for each in good]), strict=True))

    def _encoded(self, texts: Sequence[str]) -> list[Found]:
        if not texts:
            return []
        try:
            return [np.asarray(vector, np.float32) for vector in self.texts.encode_texts(texts)]
        except InvalidQuery as error:
            # One text to which the model gives no direction must not cost the others theirs.
            return [error] if len(texts) == 1 else [self._encoded([text])[0] for text in texts]

    def _of_images(self, wanted: Sequence[Part]) -> dict[Part, Found]:
        given = fetched([part for part in wanted if isinstance(part, UrlQuery)], self.web)
        given |= {part: part.data for part in wanted if isinstance(part, ImageQuery)}
        found: dict[Part, Found] = {
            part: data for part, data in given.items() if isinstance(data, ImageSearchError)
        }
        good = {part: data for part, data in given.items() if isinstance(data, bytes)}
        encoded = self.images.encode_images(list(good.values())) if good else []
        vectors = [one if isinstance(one, UnreadableImage) else one.embedding for one in encoded]
        return found | dict(zip(good, vectors, strict=True))

    def _of_stored(self, wanted: Sequence[StoredQuery]) -> dict[Part, Found]:
        if not wanted:
            return {}
        vectors = self.index.embeddings([query.id for query in wanted])
        return {query: vectors.get(query.id, no_such_image(query.id)) for query in wanted}


def no_such_image(id: str) -> NotFound:
    return NotFound(f"there is no indexed image with the id {id!r}", "take an id from a hit")


def _mixed(query: MixedQuery, found: dict[Part, Found]) -> Found:
    """The sum of the terms' directions times their weights, brought to length 1."""
    directions = []
    for place, term in enumerate(query.terms):
        vector = found[term.part]
        if isinstance(vector, ImageSearchError):
            return type(vector)(f"terms.{place}: {vector.message}", vector.hint, vector.code)
        directions.append(vector / np.linalg.norm(vector.astype(np.float64)))
    weights = np.array([term.weight for term in query.terms])
    total = weights @ np.array(directions)
    length = np.linalg.norm(total)
    if length <= SHORTEST * np.abs(weights).sum():
        return InvalidQuery(
            "the terms cancel each other out",
            "change a weight or leave a term out",
            "invalid_terms",
        )
    return np.asarray(total / length, np.float32)


def _is_text(text: str) -> bool:
    return bool(text.strip()) and len(text) <= MAX_TEXT


def _no_text(text: str) -> InvalidQuery:
    return InvalidQuery(
        f"the text has {len(text)} characters",
        f"send 1 to {MAX_TEXT:,} characters that are not all blanks",
        code="invalid_text",
    )
