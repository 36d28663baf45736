"""Image encoder: files are decoded in worker processes and embedded in this process."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

import numpy as np

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions, EncodedImage
from imagesearch.embedding.decoding.preprocessing import Picture, Preprocessing
from imagesearch.embedding.decoding.workers.pool import DecoderPool, map_ordered
from imagesearch.embedding.manifest import Manifest, load_verified
from imagesearch.embedding.session import (
    OnnxSession,
    contradiction,
    normalized,
    session_cores,
)

# As fast as batches of 8 in measurements, with half the memory.
IMAGE_BATCH_SIZE = 4
_OUTPUT_AXES = 2


class OnnxImageEncoder:
    """Embeds images with the image tower of a model; may be used from several threads."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        *,
        decoders: DecoderPool | None = None,
    ) -> None:
        """Load the graph, [N, 3, H, W] float32 → [N, D]; raises ConfigurationError.

        A batch runs on one thread, and as many batches at once as there are cores: threads of a run
        wait for each other after each product, which takes 8 to 17 % more time for many images.
        """
        self._manifest = manifest
        self._preprocessing = manifest.image.preprocessing
        image = manifest.image
        self._session = load_verified(
            folder,
            image.graph,
            manifest,
            lambda path: OnnxSession(path, [image.input], image.output, threads=1),
        )
        _check_shapes(self._session, manifest, folder / image.graph)
        self._max_batch_size = self._session.max_batch_size(IMAGE_BATCH_SIZE)
        self._decoders = decoders or DecoderPool()
        self._runs = session_cores()
        self._threads = ThreadPoolExecutor(self._runs, thread_name_prefix="embedding")

    @property
    def model(self) -> str:
        return self._manifest.name

    @property
    def decoder(self) -> str:
        return self._decoders.decoder

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        """Embed files, in their order; the result for an unreadable file is its error.

        Decoding and embedding overlap. Raises Unavailable or ConfigurationError if no decoder
        process can be started.
        """
        return self.encode_pictures(
            self._decoders.decode_in_order(images, self._preprocessing, details)
        )

    def encode_pictures(
        self, decoded: Iterable[Picture | UnreadableImage]
    ) -> list[EncodedImage | UnreadableImage]:
        """Embed decoded pictures, in their order; errors are passed through."""
        pictures = iter(decoded)
        batches = iter(lambda: list(islice(pictures, self._max_batch_size)), [])
        embedded = map_ordered(self._threads, self._embed, batches, self._runs + 1)
        return list(chain.from_iterable(embedded))

    def with_preprocessing(self, preprocessing: Preprocessing) -> OnnxImageEncoder:
        """An encoder with other preprocessing, which shares the graph and the decoders."""
        other = copy.copy(self)
        other._preprocessing = preprocessing
        return other

    def close(self) -> None:
        """Stop the decoder processes; the next call starts new ones."""
        self._decoders.close()

    def _embed(
        self, batch: Sequence[Picture | UnreadableImage]
    ) -> list[EncodedImage | UnreadableImage]:
        readable = [picture for picture in batch if isinstance(picture, Picture)]
        embedded = iter(self._vectors(readable))
        return [
            picture if isinstance(picture, UnreadableImage) else next(embedded) for picture in batch
        ]

    def _vectors(self, pictures: Sequence[Picture]) -> Iterator[EncodedImage | UnreadableImage]:
        if not pictures:
            return
        pixels = np.stack([picture.pixels for picture in pictures])
        output = self._session.run({self._manifest.image.input: pixels})
        self._session.require_shape(output, len(pictures), self._manifest.dimension)
        vectors, good = normalized(output)
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
                    picture.taken_offset,
                )
            else:
                yield UnreadableImage(
                    f"{self.model} returns no usable vector for this image",
                    "check that the image is not blank",
                    code="no_embedding",
                )


def _check_shapes(session: OnnxSession, manifest: Manifest, path: Path) -> None:
    """Raises ConfigurationError for a manifest that contradicts the graph's stated shapes."""
    image = manifest.image
    sides = [side for side in session.input_shape(image.input)[-2:] if isinstance(side, int)]
    if any(side != image.size for side in sides):
        raise contradiction(
            f"{path} requires images of {' x '.join(map(str, sides))} pixels, but the manifest has"
            f" the size {image.size}",
            "correct image.size in the manifest",
        )
    shape = session.output_shape
    if shape and len(shape) != _OUTPUT_AXES:
        raise contradiction(
            f"{path}: the output {image.output!r} has {len(shape)} axes instead of {_OUTPUT_AXES}",
            "name another output in image.output",
        )
    width = shape[-1] if shape else None
    if isinstance(width, int) and width != manifest.dimension:
        raise contradiction(
            f"{path}: the output {image.output!r} has {width} dimensions, but the model has"
            f" {manifest.dimension}",
            "correct the dimension in the manifest",
        )
