"""Reads a CLIP checkpoint's sizes and weights; needs the dependency group `export`."""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-untyped-call"
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from models import Floats
from models.clip.reference import Embeddings, Ids
from models.clip.weights import (
    Activation,
    ClipShape,
    TowerShape,
    Weights,
    from_open_clip,
    weight_shapes,
)

# transformers reads this as "the end token has the largest id".
OLD_RULE = 2
KNOWN_SETTINGS = {
    *("embed_dim", "vision_cfg", "text_cfg", "quick_gelu"),
    *("image_size", "patch_size", "head_width", "context_length", "vocab_size"),
    *("width", "layers", "heads", "mlp_ratio"),
}


class UnfitCheckpointError(Exception):
    """The checkpoint is no CLIP that the built graphs compute."""


@dataclass(frozen=True)
class Checkpoint:
    shape: ClipShape
    weights: Weights
    pad_token_id: int
    # What the checkpoint's own code makes of pixels and ids.
    embed: Callable[[Floats, Ids], Embeddings]


def read_checkpoint(said: str) -> Checkpoint:
    """A folder, or "MODEL:FILE"; raises UnfitCheckpointError."""
    if Path(said).is_dir():
        return _of_transformers(Path(said))
    architecture, _, file = said.partition(":")
    if not file:
        raise UnfitCheckpointError(f"{said} is no folder, and names no open_clip MODEL:FILE")
    return _of_open_clip(architecture, file)


def fitting(state: Mapping[str, Floats], shape: ClipShape) -> Weights:
    """The weights that the graphs use; raises UnfitCheckpointError where one has another shape."""
    for name, size in weight_shapes(shape).items():
        found = state[name].shape if name in state else None
        if found != size:
            raise UnfitCheckpointError(f"{name} has the shape {found} instead of {size}")
    return {name: state[name] for name in weight_shapes(shape)}


def _of_transformers(folder: Path) -> Checkpoint:
    # Imported here: reading needs torch, and the rest of this file does not.
    from transformers import CLIPModel

    from models.clip.torch_models import transformers_embeds

    model = CLIPModel.from_pretrained(folder, local_files_only=True).float().eval()
    config = model.config
    text, image = config.text_config, config.vision_config
    last = text.vocab_size - 1
    if text.eos_token_id not in (OLD_RULE, last):
        raise UnfitCheckpointError(f"the end token is {text.eos_token_id}, and not the largest id")
    if text.hidden_act != image.hidden_act or text.layer_norm_eps != image.layer_norm_eps:
        raise UnfitCheckpointError("the towers differ in activation or epsilon")
    shape = ClipShape(
        dimension=config.projection_dim,
        image_size=image.image_size,
        patch=image.patch_size,
        image=_tower(image),
        vocabulary=text.vocab_size,
        context=text.max_position_embeddings,
        text=_tower(text),
        activation=_activation(text.hidden_act),
        epsilon=text.layer_norm_eps,
    )
    return Checkpoint(
        shape, fitting(_floats(model), shape), last, partial(transformers_embeds, model)
    )


def _of_open_clip(architecture: str, file: str) -> Checkpoint:
    import open_clip

    from models.clip.torch_models import open_clip_embeds

    config = open_clip.get_model_config(architecture)
    if config is None:
        raise UnfitCheckpointError(f"open_clip knows no model {architecture!r}")
    image, text = config["vision_cfg"], config["text_cfg"]
    if unknown := (set(config) | set(image) | set(text)) - KNOWN_SETTINGS:
        raise UnfitCheckpointError(f"{architecture} has {sorted(unknown)}, which the graphs lack")
    try:
        model = open_clip.create_model(architecture, pretrained=file).float().eval()
    except RuntimeError as wrong:
        first, *_ = str(wrong).splitlines()
        raise UnfitCheckpointError(f"{file} does not fit {architecture}: {first}") from wrong
    try:
        state = from_open_clip(_floats(model))
    except KeyError as missing:
        raise UnfitCheckpointError(f"{architecture} has no weights named {missing}") from missing
    inner = {
        tower: state[f"{tower}_model.encoder.layers.0.mlp.fc1.weight"].shape[0]
        for tower in ("vision", "text")
    }
    heads = image["width"] // image.get("head_width", 64)
    shape = ClipShape(
        dimension=config["embed_dim"],
        image_size=image["image_size"],
        patch=image["patch_size"],
        image=TowerShape(image["width"], image["layers"], heads, inner["vision"]),
        vocabulary=text["vocab_size"],
        context=text["context_length"],
        text=TowerShape(text["width"], text["layers"], text["heads"], inner["text"]),
        activation="quick_gelu" if config.get("quick_gelu") else "gelu",
    )
    # open_clip pads with zeros; what stands behind the end token is never read.
    end = shape.vocabulary - 1
    return Checkpoint(shape, fitting(state, shape), end, partial(open_clip_embeds, model))


def _tower(config: Any) -> TowerShape:
    return TowerShape(
        config.hidden_size,
        config.num_hidden_layers,
        config.num_attention_heads,
        config.intermediate_size,
    )


def _activation(name: str) -> Activation:
    if name == "quick_gelu":
        return "quick_gelu"
    if name == "gelu":
        return "gelu"
    raise UnfitCheckpointError(f"the activation {name!r} is not one that the graphs compute")


def _floats(model: Any) -> Weights:
    return {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
