"""A model folder as the calibration tests it, with variants of its preprocessing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from imagesearch.calibration.ports import Variant, VariantKind
from imagesearch.classification.prompts import Prompts
from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions, EncodedImage
from imagesearch.embedding.decoding.preprocessing import Preprocessing
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import Manifest
from imagesearch.embedding.model_catalog import catalog_entries
from imagesearch.embedding.self_test.edits import with_swapped_channels
from imagesearch.embedding.text_encoder import OnnxTextEncoder

# Means and standard deviations of the families of models: OpenAI's CLIP and OpenCLIP, SigLIP,
# networks trained on ImageNet, and values in [0, 1].
_COLORS = (
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
)
_RESIZES: dict[Literal["crop", "pad", "stretch"], str] = {
    "crop": "a center crop",
    "pad": "padding",
    "stretch": "stretching",
}
# SigLIP's length of texts.
_FIXED_LENGTH = 64
# Means and deviations that differ by less are the same.
_SAME = 0.01


class OnnxModel:
    """The encoders of a model folder; `close` stops the decoder processes."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Load both graphs. Raises ConfigurationError."""
        self._manifest = manifest
        self.images = OnnxImageEncoder(folder, manifest)
        self.texts = OnnxTextEncoder(folder, manifest)

    @property
    def name(self) -> str:
        return self._manifest.name

    @property
    def prompts(self) -> Prompts:
        return self._manifest.prompts

    @property
    def preprocessing_is_published(self) -> bool:
        """True if the catalog states this preprocessing for these files."""
        entries = {entry.name: entry for entry in catalog_entries()}
        return self.name in entries and entries[self.name].states_preprocessing_of(self._manifest)

    def variants(self) -> Sequence[Variant]:
        """Other colors, other resizing, and another padding of texts."""
        stated = self._manifest.image.preprocessing
        return [*self._colors(stated), *self._geometry(stated), *self._padding()]

    def close(self) -> None:
        self.images.close()

    def _colors(self, stated: Preprocessing) -> Iterator[Variant]:
        described = _described(stated)
        for mean, std in _COLORS:
            if not _same_colors(stated, mean, std):
                other = replace(stated, mean=mean, std=std)
                images = self.images.with_preprocessing(other)
                yield Variant(VariantKind.COLORS, described, _described(other), images)
        reverse = replace(stated, mean=stated.mean[::-1], std=stated.std[::-1])
        swapped = _SwappedChannels(self.images.with_preprocessing(reverse))
        yield Variant(VariantKind.COLORS, "red first", "blue first", swapped)

    def _geometry(self, stated: Preprocessing) -> Iterator[Variant]:
        for resize, name in _RESIZES.items():
            if resize != stated.resize:
                images = self.images.with_preprocessing(replace(stated, resize=resize))
                yield Variant(VariantKind.GEOMETRY, _RESIZES[stated.resize], name, images)
        resample: Literal["bicubic", "bilinear"]
        resample = "bilinear" if stated.resample == "bicubic" else "bicubic"
        images = self.images.with_preprocessing(replace(stated, resample=resample))
        yield Variant(VariantKind.GEOMETRY, stated.resample, resample, images)

    def _padding(self) -> Iterator[Variant]:
        """None for a graph that requires one length: another one is an error, not a variant."""
        if self.texts.graph_length:
            return
        text = self._manifest.text
        fixed = text.max_length if text.length == "fixed" else None
        lengths = {None, text.max_length, min(_FIXED_LENGTH, text.max_length)} - {fixed}
        for length in sorted(lengths, key=lambda each: each or 0):
            texts = self.texts.with_length(length)
            described = _length_described(length)
            yield Variant(VariantKind.PADDING, _length_described(fixed), described, texts=texts)


class _SwappedChannels:
    """An image encoder that exchanges red and blue."""

    def __init__(self, encoder: OnnxImageEncoder) -> None:
        self._encoder = encoder

    @property
    def model(self) -> str:
        return self._encoder.model

    @property
    def decoder(self) -> str:
        return self._encoder.decoder

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        return self._encoder.encode_images(
            [with_swapped_channels(each) for each in images], details
        )


def _same_colors(stated: Preprocessing, mean: Sequence[float], std: Sequence[float]) -> bool:
    pairs = zip((*stated.mean, *stated.std), (*mean, *std), strict=True)
    return all(abs(one - other) < _SAME for one, other in pairs)


def _described(preprocessing: Preprocessing) -> str:
    mean, std = (
        " ".join(f"{each:.3g}" for each in dict.fromkeys(values))
        for values in (preprocessing.mean, preprocessing.std)
    )
    return f"mean {mean} and deviation {std}"


def _length_described(length: int | None) -> str:
    return f"texts padded to {length} tokens" if length else "texts padded to the longest"
