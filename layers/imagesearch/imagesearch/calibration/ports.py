"""Ports of the calibration: the model under test, its variants, and the edits of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from imagesearch.classification.prompts import Prompts
from imagesearch.domain.ports import ImageEncoder, TextEncoder


class VariantKind(StrEnum):
    """COLORS: mean, standard deviation, order of the channels. GEOMETRY: resizing. PADDING: of
    texts."""

    COLORS = "colors"
    GEOMETRY = "geometry"
    PADDING = "padding"


@dataclass(frozen=True)
class Variant:
    """The model with other preprocessing than `stated`; replaces the image or the text encoder."""

    kind: VariantKind
    stated: str
    description: str
    images: ImageEncoder | None = None
    texts: TextEncoder | None = None


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

    def variants(self) -> Sequence[Variant]:
        """The preprocessing variants that the model is compared with."""


class PhotoEditor(Protocol):
    """Edits photos, deterministically."""

    def edited(self, photo: bytes, edit: str) -> bytes:
        """The image file of a photo after the edit with this name, see `evidence.EDITS`."""
