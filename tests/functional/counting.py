"""An encoder that counts what it is given, and otherwise leaves it to another."""

from collections.abc import Sequence

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailsWanted, EncodedImage
from imagesearch.domain.ports import ImageEncoder


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
        self, images: Sequence[bytes], details: DetailsWanted | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        self.images += len(images)
        return self._encoder.encode_images(images, details)
