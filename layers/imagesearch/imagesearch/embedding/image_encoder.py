"""Files to vectors: decoded in child processes, embedded here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

import numpy as np

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions, EncodedImage
from imagesearch.embedding.decoding.pool import DecoderPool, map_ordered
from imagesearch.embedding.decoding.preprocessing import Picture
from imagesearch.embedding.manifest import Manifest, verified
from imagesearch.embedding.session import OnnxSession, normalized

# Where embedding eight at a time gains nothing measurable any more, with half the memory.
IMAGE_BATCH_SIZE = 4
# The threads of a run wait for each other after every product, and another run uses the time:
# measured on two cores, one picture at a time takes 17 ms instead of 20.
RUNS_AT_ONCE = 2


class OnnxImageEncoder:
    """Embeds images with a manifest's image tower; may be used from several threads."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        *,
        threads: int | None = None,
        decoders: DecoderPool | None = None,
    ) -> None:
        """Load the graph, [N, 3, H, W] → [N, D]; raises ConfigurationError."""
        self._manifest = manifest
        self._preprocessing = manifest.image.preprocessing
        path = verified(folder, manifest.image.graph, manifest)
        self._graph = OnnxSession(path, [manifest.image.input], manifest.image.output, threads)
        self._max_batch_size = self._graph.max_batch_size(IMAGE_BATCH_SIZE)
        self._decoders = decoders or DecoderPool()
        self._threads = ThreadPoolExecutor(RUNS_AT_ONCE, thread_name_prefix="embedding")

    @property
    def model(self) -> str:
        return self._manifest.name

    @property
    def decoder(self) -> str:
        return self._decoders.decoder

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        """Embed files, in their order; an unreadable one gives its error in its place.

        While one part is embedded the next is decoded. Raises Unavailable or ConfigurationError
        where no decoder can be started.
        """
        pictures = self._decoders.decode_in_order(images, self._preprocessing, details)
        parts = iter(lambda: list(islice(pictures, self._max_batch_size)), [])
        embedded = map_ordered(self._threads, self._embed, parts, RUNS_AT_ONCE + 1)
        return list(chain.from_iterable(embedded))

    def close(self) -> None:
        """Stop the decoders; they start anew when they are needed."""
        self._decoders.close()

    def _embed(
        self, part: Sequence[Picture | UnreadableImage]
    ) -> list[EncodedImage | UnreadableImage]:
        readable = [picture for picture in part if isinstance(picture, Picture)]
        embedded = iter(self._vectors(readable))
        return [
            picture if isinstance(picture, UnreadableImage) else next(embedded) for picture in part
        ]

    def _vectors(self, pictures: Sequence[Picture]) -> Iterator[EncodedImage | UnreadableImage]:
        if not pictures:
            return
        pixels = np.stack([picture.pixels for picture in pictures])
        vectors, good = normalized(self._graph.run({self._manifest.image.input: pixels}))
        for picture, vector, has_direction in zip(pictures, vectors, good, strict=True):
            if has_direction:
                yield EncodedImage(
                    vector,
                    picture.width,
                    picture.height,
                    picture.content_type,
                    picture.taken_at,
                    picture.details,
                    picture.truncated,
                )
            else:
                yield UnreadableImage(
                    f"{self.model} gives no usable vector for this picture",
                    "check that the picture shows something",
                    code="no_embedding",
                )
