"""The manifest of a model folder: how its graphs are run, and the SHA-256 of its files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from imagesearch.classification.prompts import Prompts
from imagesearch.domain.errors import ConfigurationError
from imagesearch.duplicates.similarity import Weights
from imagesearch.embedding.decoding.preprocessing import Preprocessing

MANIFEST = "manifest.json"
ENGLISH = ("en",)
Loaded = TypeVar("Loaded")
IMAGE_SPACE = re.compile(r"[0-9a-f]{16}")

# A model folder may be untrusted: no file name may lead out of it.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Channel = Annotated[int, Field(ge=0, le=255)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
# A language tag of BCP 47, or the word that model cards use for "many languages".
MULTILINGUAL = "multilingual"
Language = Annotated[str, Field(pattern=rf"^([a-z]{{2,3}}(-[A-Za-z0-9]{{1,8}})*|{MULTILINGUAL})$")]


class ManifestModel(BaseModel):
    """Base class of the sections: immutable, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ImageTower(ManifestModel):
    """The image graph: `input` [N, 3, size, size] float32 → `output` [N, dimension]."""

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


class TextTower(ManifestModel):
    """The text graph: `input_ids` and, if the graph has it, `attention_mask` [N, L] → `output`.

    output: [N, dimension]; with `pooling` [N, L, W], whose mean over the mask is the vector.
    image_space: the space of the image vectors that the text vectors are compared with.
    length: with `fixed`, every text is padded to `max_length`; otherwise to the longest of a batch.
    projection: a safetensors file with a matrix [dimension, W] that follows the pooling.
    clean: normalization of the texts before tokenization, see `tokenizer`; `lower` is lower case.
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
    clean: Literal["clip", "lower"] | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if self.input_ids == self.attention_mask:
            raise ValueError(f"input_ids and attention_mask are both {self.input_ids!r}")
        return self


class KindCalibration(ManifestModel):
    """The calibration of one modality, see `imagesearch.search.relevance`.

    `background` is an npy file, int8 [N, dimension], with rows of any length.
    """

    background: FileName
    neighbours: Annotated[int, Field(ge=1)]
    slope: Positive
    base: Finite
    nearness: Finite


class Calibration(ManifestModel):
    """The calibration of each modality, see `imagesearch.calibration`.

    Not part of the image space, because no image vector depends on it.
    """

    text: KindCalibration
    image: KindCalibration
    mixed: KindCalibration

    @property
    def backgrounds(self) -> list[str]:
        """The files with background vectors, without repetitions."""
        kinds = self.text, self.image, self.mixed
        return list(dict.fromkeys(kind.background for kind in kinds))


class ClassifySection(ManifestModel):
    """The prompts for labels, see `Prompts`; by default those of OpenAI for CLIP.

    temperature: by default the reciprocal of the manifest's `logit_scale`.
    """

    templates: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^{}]*\{\}[^{}]*$")], ...],
        Field(min_length=1, max_length=4),
    ]
    temperature: Positive | None = None


class Quantized(ManifestModel):
    """The float32 file that a file was quantized from on this machine, and the method.

    method: see `local.quantization`.
    """

    sha256: Digest
    method: Literal["rows"]


class FileEntry(ManifestModel):
    """A file; `rewritten_from` is the SHA-256 of the file from which it was converted.

    The conversion gives the same vectors, therefore the space depends on the original file. The
    space of a `quantized` file depends on the float32 file and the method, so that it is the same
    on every machine; the bytes also depend on the version of the library that writes them.
    """

    sha256: Digest
    bytes: Annotated[int, Field(ge=0)]
    rewritten_from: Digest | None = None
    quantized: Quantized | None = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if self.rewritten_from and self.quantized:
            raise ValueError("a file is either rewritten or quantized")
        return self

    @property
    def origin(self) -> str:
        """The SHA-256 of the original file, for a quantized file with the method."""
        if self.quantized:
            return f"{self.quantized.sha256}:{self.quantized.method}"
        return self.rewritten_from or self.sha256

    @property
    def downloaded(self) -> str:
        """The SHA-256 of the file as it was downloaded."""
        return self.quantized.sha256 if self.quantized else self.rewritten_from or self.sha256


class DuplicateWeights(ManifestModel):
    """The weights of the evidence for duplicates, see `imagesearch.duplicates.similarity`.

    The defaults are those of the starter model.
    """

    cosine: float = 23.36
    hash: float = 7.13
    overlap: float = 11.12
    bias: float = -28.86

    @property
    def weights(self) -> Weights:
        return Weights(self.cosine, self.hash, self.overlap, self.bias)


class Manifest(ManifestModel):
    """The content of `manifest.json`.

    languages: the languages of queries; empty if they are not known.
    logit_scale: the factor of cosines that the model was trained with; its reciprocal is the
        temperature of labels, unless `classify` states another one.
    relevance: without it, the model is not calibrated, and its hits have a score only.
    quality: measured figures, for information.
    """

    name: Annotated[str, Field(min_length=1)]
    description: str
    dimension: Annotated[int, Field(ge=1)]
    image: ImageTower
    text: TextTower
    files: dict[FileName, FileEntry]
    license: str
    source: str
    languages: tuple[Language, ...] = ()
    logit_scale: Positive | None = None
    relevance: Calibration | None = None
    classify: ClassifySection | None = None
    duplicates: DuplicateWeights = DuplicateWeights()
    quality: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if MULTILINGUAL in self.languages and len(self.languages) > 1:
            others = ", ".join(name for name in self.languages if name != MULTILINGUAL)
            raise ValueError(f"languages: {MULTILINGUAL} excludes {others}")
        if self.classify and not (self.classify.temperature or self.logit_scale):
            raise ValueError("classify has no temperature, and there is no logit_scale")
        return self

    @property
    def prompts(self) -> Prompts:
        templates = self.classify.templates if self.classify else Prompts().templates
        return Prompts(templates, self._temperature or Prompts().temperature)

    @property
    def _temperature(self) -> float | None:
        if self.classify and self.classify.temperature:
            return self.classify.temperature
        return 1 / self.logit_scale if self.logit_scale else None

    @property
    def label_space(self) -> str:
        """A digest of everything that determines the vectors of labels: 16 hexadecimal digits."""
        text = self.text
        files = [text.graph, text.tokenizer, *([text.projection] if text.projection else [])]
        inputs = text.model_dump(mode="json") | {
            "files": [self.files[name].origin for name in files],
            "dimension": self.dimension,
            "templates": self.prompts.templates,
        }
        return digest_of(inputs)

    @property
    def needs(self) -> list[str]:
        """The names of all files that the towers and the calibration use."""
        text = self.text
        names = [self.image.graph, text.graph, text.tokenizer, text.projection]
        backgrounds = self.relevance.backgrounds if self.relevance else []
        return [name for name in [*names, *backgrounds] if name]

    @property
    def image_space(self) -> str:
        """A digest of everything that determines the vectors of images: 16 hexadecimal digits."""
        image = self.image.model_dump(mode="json")
        inputs = image | {
            "graph": self.files[self.image.graph].origin,
            "dimension": self.dimension,
        }
        return digest_of(inputs)

    def as_text(self) -> str:
        """The content of `manifest.json`."""
        return self.model_dump_json(indent=2, exclude_defaults=True) + "\n"


def load_manifest(folder: Path) -> Manifest:
    """Read and validate `folder`/manifest.json; raises ConfigurationError.

    The files that it names are verified when they are loaded.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _invalid(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise _invalid(f"{path}: {first_fault(error)}") from error
    for name in manifest.needs:
        if name not in manifest.files:
            raise _invalid(f"{path} names {name}, but `files` has no size and SHA-256 of it")
    if manifest.text.image_space != manifest.image_space:
        raise _invalid(
            f"{path}: the text tower requires the image space {manifest.text.image_space}, "
            f"but the image tower has {manifest.image_space}"
        )
    return manifest


def first_fault(error: ValidationError) -> str:
    """The first fault of a JSON file, with its place in the file."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the file"
    return f"{where}: {first['msg']}"


def _invalid(message: str) -> ConfigurationError:
    hint = "use a complete model folder: download the model again, or export it again"
    return ConfigurationError(message, hint, code="invalid_model")


def load_verified(
    folder: Path, name: str, manifest: Manifest, load: Callable[[Path], Loaded]
) -> Loaded:
    """The result of `load(path)`; size and SHA-256 are checked in another thread meanwhile.

    Raises ConfigurationError for a damaged file, also if `load` accepts it, else the errors of
    `load`.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="verification") as thread:
        verified = thread.submit(verify_file, folder, name, manifest)
        try:
            loaded = load(folder / name)
        finally:
            verified.result()
    return loaded


def verify_file(folder: Path, name: str, manifest: Manifest) -> Path:
    """The path of a file, after checking its size and SHA-256; raises ConfigurationError.

    The caller loads the file by path: it is read again from the page cache, and memory holds no
    copy of its bytes next to the parsed graph.
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
        message,
        "download the model again: the file is damaged or wrong",
        "damaged_model",
    )


def digest_of(inputs: dict[str, Any]) -> str:
    """A digest of JSON values: 16 hexadecimal digits."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
