"""Encoders that load their graph when it is first needed: a text query loads no image graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions, Embedding, EncodedImage
from imagesearch.domain.ports import ImageEncoder, TextEncoder


class Decoders(Protocol):
    """The decoder processes of an image encoder, which need no graph."""

    @property
    def decoder(self) -> str: ...

    def preview(self, data: bytes, longest_side: int) -> bytes: ...

    def close(self) -> None: ...


Encoder = TypeVar("Encoder", TextEncoder, ImageEncoder)


class _OnDemand(Generic[Encoder]):
    """Loads an encoder once; after an error, the next request loads it again."""

    def __init__(self, model: str, load: Callable[[], Encoder]) -> None:
        self.model = model
        self._load: Callable[[], Encoder] = load
        self._encoder: Encoder | None = None
        self._lock = threading.Lock()

    def loaded(self) -> Encoder:
        """The encoder; raises the errors of its constructor, such as ConfigurationError."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder


class OnDemandTextEncoder(_OnDemand[TextEncoder]):
    """A text encoder that is loaded by the first request; may be used from several threads."""

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        return self.loaded().encode_texts(texts)


class OnDemandImageEncoder(_OnDemand[ImageEncoder]):
    """An image encoder that is loaded by the first image; may be used from several threads."""

    def __init__(self, model: str, load: Callable[[], ImageEncoder], decoders: Decoders) -> None:
        """`load` creates an encoder that uses `decoders`."""
        super().__init__(model, load)
        self._decoders = decoders

    @property
    def decoder(self) -> str:
        return self._decoders.decoder

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        return self.loaded().encode_images(images, details)

    def preview(self, data: bytes, longest_side: int) -> bytes:
        return self._decoders.preview(data, longest_side)

    def close(self) -> None:
        """Stop the decoder processes; the next image starts new ones."""
        self._decoders.close()
