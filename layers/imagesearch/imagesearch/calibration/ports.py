"""Ports of the calibration: the model under test, its variants, and the edits of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from imagesearch.classification.prompts import Prompts
from imagesearch.domain.ports import ImageEncoder, TextEncoder


class Kind(StrEnum):
    """COLORS: normalization and order of the channels. GEOMETRY: resizing. PADDING: of texts."""

    COLORS = "colors"
    GEOMETRY = "geometry"
    PADDING = "padding"


class Step(StrEnum):
    """A step of the preprocessing, of which the manifest states one value."""

    NORMALIZATION = "normalization"
    CHANNELS = "channels"
    RESIZE = "resize"
    FILTER = "filter"
    PADDING = "padding"

    @property
    def kind(self) -> Kind:
        return _KINDS[self]


_KINDS = {
    Step.NORMALIZATION: Kind.COLORS,
    Step.CHANNELS: Kind.COLORS,
    Step.RESIZE: Kind.GEOMETRY,
    Step.FILTER: Kind.GEOMETRY,
    Step.PADDING: Kind.PADDING,
}


@dataclass(frozen=True)
class Alternative:
    """Another value of one step than the manifest's; both in words, such as "blue first"."""

    step: Step
    stated: str
    description: str


# A variant of the preprocessing: at most one alternative for each step, or none.
Variant: TypeAlias = tuple[Alternative, ...]


@dataclass(frozen=True)
class Encoders:
    """The encoders of a model with a variant of its preprocessing."""

    images: ImageEncoder
    texts: TextEncoder


class Model(Protocol):
    """A model, with encoders that share its loaded graphs."""

    @property
    def name(self) -> str: ...

    @property
    def prompts(self) -> Prompts: ...

    @property
    def images(self) -> ImageEncoder: ...

    @property
    def texts(self) -> TextEncoder: ...

    @property
    def preprocessing_is_published(self) -> bool:
        """True if the catalog states this preprocessing for these files."""

    def alternatives(self) -> Sequence[Alternative]:
        """The values of the steps that the model is compared with, alone and combined."""

    def with_variant(self, variant: Variant) -> Encoders:
        """Encoders with these alternatives, and the manifest's values of all other steps."""


class PhotoEditor(Protocol):
    """Edits photos, deterministically."""

    def edited(self, photo: bytes, edit: str) -> bytes:
        """The image file of a photo after the edit with this name, see `evidence.EDITS`."""
