"""The parts of a manifest: how each tower is run, and what a model brings beside its graphs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    """See `imagesearch.search.relevance`: `background` is npy, int8 [N, dimension], rows of any length."""

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
