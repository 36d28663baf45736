"""An encoder that derives vectors from the bytes only, and one that counts its images."""

import hashlib
from collections.abc import Sequence

import numpy as np

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions, Details, Embedding, EncodedImage
from imagesearch.domain.ports import ImageEncoder

DIMENSION = 4096
BROKEN = b"broken"
HASH = "0123456789abcdef"
DETAILS = Details(HASH, "1.000:" + "A" * 576)


class DigestEncoder:
    model = "digest"
    decoder = "digest 1"

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        return [
            UnreadableImage("it is broken")
            if data.startswith(BROKEN)
            else EncodedImage(vector_of(data), 10, 10, "image/png", details=DETAILS)
            for data in images
        ]


def vector_of(data: bytes) -> Embedding:
    seed = int.from_bytes(hashlib.sha256(data).digest()[:8])
    vector = np.random.default_rng(seed).standard_normal(DIMENSION, np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


class CountingEncoder:
    def __init__(self, encoder: ImageEncoder) -> None:
        self._encoder = encoder
        self.images = 0

    @property
    def model(self) -> str:
        return self._encoder.model

    @property
    def decoder(self) -> str:
        return self._encoder.decoder

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        self.images += len(images)
        return self._encoder.encode_images(images, details)
