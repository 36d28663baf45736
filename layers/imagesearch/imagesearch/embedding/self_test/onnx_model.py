"""A model folder as the calibration tests it, with variants of its preprocessing."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from imagesearch.calibration.ports import Alternative, Encoders, Step, Variant
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
        with ThreadPoolExecutor(1, thread_name_prefix="loading") as thread:
            # Texts by the hundred: runs of one thread each take less CPU time.
            texts = thread.submit(OnnxTextEncoder, folder, manifest, threads=1)
            self.images = OnnxImageEncoder(folder, manifest)
            self.texts = texts.result()

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

    def alternatives(self) -> Sequence[Alternative]:
        """Other colors, other resizing, and another padding of texts."""
        return [*self._image_changes, *self._text_lengths]

    def with_variant(self, variant: Variant) -> Encoders:
        preprocessing, texts, is_swapped = self._manifest.image.preprocessing, self.texts, False
        for alternative in variant:
            if alternative.step is Step.PADDING:
                texts = self.texts.with_length(self._text_lengths[alternative])
            elif alternative.step is Step.CHANNELS:
                is_swapped = True
            else:
                preprocessing = replace(preprocessing, **self._image_changes[alternative])
        if not is_swapped:
            return Encoders(self.images.with_preprocessing(preprocessing), texts)
        mean, std = preprocessing.mean[::-1], preprocessing.std[::-1]
        reverse = self.images.with_preprocessing(replace(preprocessing, mean=mean, std=std))
        return Encoders(_SwappedChannels(reverse), texts)

    def close(self) -> None:
        self.images.close()

    @cached_property
    def _image_changes(self) -> dict[Alternative, dict[str, Any]]:
        """The fields of the preprocessing that each alternative changes, by alternative."""
        stated = self._manifest.image.preprocessing
        described = _described(stated.mean, stated.std)
        changes: dict[Alternative, dict[str, Any]] = {
            Alternative(Step.NORMALIZATION, described, _described(mean, std)): {
                "mean": mean,
                "std": std,
            }
            for mean, std in _COLORS
            if not _same_colors(stated, mean, std)
        }
        changes[Alternative(Step.CHANNELS, "red first", "blue first")] = {}
        for resize, name in _RESIZES.items():
            if resize != stated.resize:
                other = Alternative(Step.RESIZE, _RESIZES[stated.resize], name)
                changes[other] = {"resize": resize}
        resample = "bilinear" if stated.resample == "bicubic" else "bicubic"
        changes[Alternative(Step.FILTER, stated.resample, resample)] = {"resample": resample}
        return changes

    @cached_property
    def _text_lengths(self) -> dict[Alternative, int | None]:
        """Empty for a graph that requires one length: another one is an error, not a variant."""
        if self.texts.graph_length:
            return {}
        text = self._manifest.text
        fixed = text.max_length if text.length == "fixed" else None
        lengths = {None, text.max_length, min(_FIXED_LENGTH, text.max_length)} - {fixed}
        described = _length_described(fixed)
        return {
            Alternative(Step.PADDING, described, _length_described(length)): length
            for length in sorted(lengths, key=lambda each: each or 0)
        }


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


def _described(*normalization: Sequence[float]) -> str:
    mean, std = (
        " ".join(f"{each:.3g}" for each in dict.fromkeys(values)) for values in normalization
    )
    return f"mean {mean} and deviation {std}"


def _length_described(length: int | None) -> str:
    return f"texts padded to {length} tokens" if length else "texts padded to the longest"
