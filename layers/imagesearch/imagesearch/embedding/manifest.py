"""A model is data: the manifest that says how a folder of graphs is to be run.

The parts of a manifest: how each tower is run, and what a model brings beside its graphs.

A model's files are what its manifest says, or the model is not loaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imagesearch.classification.prompts import Prompts
from imagesearch.domain.errors import ConfigurationError
from imagesearch.duplicates.similarity import Weights
from imagesearch.embedding.decoding.preprocessing import Preprocessing

# A model folder may come from elsewhere: no name in it may lead out of it.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Channel = Annotated[int, Field(ge=0, le=255)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ImageTower(Part):
    """`pixel_values` [N, 3, size, size] float32 → embeddings [N, dimension]."""

    graph: FileName
    input: str
    output: str
    size: Annotated[int, Field(ge=1, le=4096)]
    resize: Literal["crop", "pad", "stretch"]
    resample: Literal["bicubic", "bilinear"]
    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]
    pad_color: tuple[Channel, Channel, Channel]

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing(
            self.size, self.resize, self.resample, self.mean, self.std, self.pad_color
        )


class TextTower(Part):
    """`input_ids` (and `attention_mask` where the graph has it) [N, L] → [N, dimension].

    `image_space` is the space of image vectors that the text vectors are meant for. With the
    `length` `fixed` every text is padded to `max_length`. With `pooling` the output is [N, L, W],
    whose mean over the mask is the vector; a `projection` (safetensors, [dimension, W]) follows.
    `clean` says how texts are made plain before they are split into tokens.
    """

    graph: FileName
    input_ids: str
    attention_mask: str | None
    output: str
    tokenizer: FileName
    max_length: Annotated[int, Field(ge=2)]
    pad_token_id: Annotated[int, Field(ge=0)]
    image_space: str
    length: Literal["longest", "fixed"] = "longest"
    pooling: Literal["mean"] | None = None
    projection: FileName | None = None
    clean: Literal["clip"] | None = None


class KindCalibration(Part):
    """See `imagesearch.search.relevance`: `background` is npy, int8 [N, dimension], rows of any
    length."""

    background: FileName
    neighbours: Annotated[int, Field(ge=1)]
    slope: Positive
    base: Finite
    nearness: Finite


class Calibration(Part):
    """By the kind of query; made by models/relevance/calibrate.py. It decides no image's vector."""

    text: KindCalibration
    image: KindCalibration
    mixed: KindCalibration

    @property
    def backgrounds(self) -> list[str]:
        """The files, each once."""
        kinds = self.text, self.image, self.mixed
        return list(dict.fromkeys(kind.background for kind in kinds))


class ClassifySection(Part):
    """How labels are put to the model: see Prompts. Without it, as OpenAI puts them to CLIP."""

    templates: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^{}]*\{\}[^{}]*$")], ...],
        Field(min_length=1, max_length=4),
    ]
    temperature: Positive


MANIFEST = "manifest.json"
IMAGE_SPACE = re.compile(r"[0-9a-f]{16}")


class FileEntry(Part):
    """`rewritten_from` is the SHA-256 of the file of which this is an exact rewrite: the same
    vectors, and so the same space."""

    sha256: Digest
    bytes: Annotated[int, Field(ge=0)]
    rewritten_from: Digest | None = None

    @property
    def origin(self) -> str:
        return self.rewritten_from or self.sha256


class DuplicateWeights(Part):
    """What each kind of evidence for a duplicate counts: `imagesearch.duplicates.similarity`.

    Without other ones a model has those of the starter model.
    """

    cosine: float = 23.36
    hash: float = 7.13
    overlap: float = 11.12
    bias: float = -28.86

    @property
    def weights(self) -> Weights:
        return Weights(self.cosine, self.hash, self.overlap, self.bias)


class Manifest(Part):
    """What `manifest.json` says; `quality` holds figures that change no vector.

    A model without `relevance` is not calibrated: its hits have a score alone.
    """

    name: Annotated[str, Field(min_length=1)]
    description: str
    dimension: Annotated[int, Field(ge=1)]
    image: ImageTower
    text: TextTower
    files: dict[FileName, FileEntry]
    license: str
    source: str
    relevance: Calibration | None = None
    classify: ClassifySection | None = None
    duplicates: DuplicateWeights = DuplicateWeights()
    quality: dict[str, Any] | None = None

    @property
    def prompts(self) -> Prompts:
        if self.classify is None:
            return Prompts()
        return Prompts(self.classify.templates, self.classify.temperature)

    @property
    def label_space(self) -> str:
        """A digest of what decides a label's vector, and of nothing else: 16 hex digits."""
        text = self.text
        files = [text.graph, text.tokenizer, *([text.projection] if text.projection else [])]
        decides = text.model_dump(mode="json") | {
            "files": [self.files[name].origin for name in files],
            "dimension": self.dimension,
            "templates": self.prompts.templates,
        }
        return _digest(decides)

    @property
    def needs(self) -> list[str]:
        """The files that the towers and the calibration name."""
        text = self.text
        names = [self.image.graph, text.graph, text.tokenizer, text.projection]
        backgrounds = self.relevance.backgrounds if self.relevance else []
        return [name for name in [*names, *backgrounds] if name]

    @property
    def image_space(self) -> str:
        """A digest of what decides an image's vector, and of nothing else: 16 hex digits."""
        image = self.image.model_dump(mode="json")
        decides = image | {
            "graph": self.files[self.image.graph].origin,
            "dimension": self.dimension,
        }
        return _digest(decides)

    def as_text(self) -> str:
        """What is written into the file."""
        return self.model_dump_json(indent=2, exclude_defaults=True) + "\n"


def _digest(decides: dict[str, Any]) -> str:
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_manifest(folder: Path) -> Manifest:
    """Read `folder`/manifest.json and check that it agrees with itself.

    The files that it names are checked when they are loaded. Raises ConfigurationError.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _wrong(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise _wrong(f"{path}: {where}: {first['msg']}") from error
    for name in manifest.needs:
        if name not in manifest.files:
            raise _wrong(f"{path} names {name}, and `files` has no size and SHA-256 for it")
    if manifest.text.image_space != manifest.image_space:
        raise _wrong(
            f"{path}: the text tower is made for the image space {manifest.text.image_space}, "
            f"and the image tower makes {manifest.image_space}"
        )
    return manifest


def _wrong(message: str) -> ConfigurationError:
    hint = "set MODEL_URI to a complete model folder, or fetch the model again"
    return ConfigurationError(message, hint, code="invalid_model")


def verified(folder: Path, name: str, manifest: Manifest) -> Path:
    """The path of a file whose size and SHA-256 are the manifest's; raises ConfigurationError.

    Hashed, then loaded by path: the runtime reads it anew from the page cache, and no copy of
    the file's bytes lies beside the parsed graph.
    """
    path, entry = folder / name, manifest.files[name]
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            raise _damaged(f"{path} has {size:,} bytes instead of {entry.bytes:,}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _damaged(f"{path} cannot be read: {error.strerror}") from error
    if digest != entry.sha256:
        raise _damaged(f"{path} has the SHA-256 {digest} instead of {entry.sha256}")
    return path


def _damaged(message: str) -> ConfigurationError:
    return ConfigurationError(
        message, "the model's file is damaged or another's: fetch the model again", "invalid_model"
    )
