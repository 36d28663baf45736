"""CLIP in torch: reads checkpoints of transformers and open_clip, and runs their own code.

Needs the dependency group `export`, except to import the module.
"""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-untyped-call,no-any-return"
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models import Floats
from models.clip.reference import Embeddings, Ids
from models.clip.weights import (
    Activation,
    ClipShape,
    TowerShape,
    Weights,
    from_open_clip,
    to_open_clip,
    weight_shapes,
)

# transformers treats this ID as "the end token has the largest ID", the rule of OpenAI.
LEGACY_EOS_ID = 2
SUPPORTED_SETTINGS = {
    *("embed_dim", "vision_cfg", "text_cfg", "quick_gelu"),
    *("image_size", "patch_size", "head_width", "context_length", "vocab_size"),
    *("width", "layers", "heads", "mlp_ratio"),
}


class UnfitCheckpointError(Exception):
    """The checkpoint is not a CLIP that the built graphs can compute."""


@dataclass(frozen=True)
class Checkpoint:
    shape: ClipShape
    weights: Weights
    pad_token_id: int
    # The embeddings of pixels and IDs by the checkpoint's own code.
    embed: Callable[[Floats, Ids], Embeddings]


def read_checkpoint(source: str) -> Checkpoint:
    """Read a folder, or "MODEL:FILE" of open_clip. Raises UnfitCheckpointError."""
    if Path(source).is_dir():
        return _of_transformers(Path(source))
    architecture, _, file = source.partition(":")
    if not file:
        raise UnfitCheckpointError(f"{source} is neither a folder nor MODEL:FILE of open_clip")
    return _of_open_clip(architecture, file)


def fitting(state: Mapping[str, Floats], shape: ClipShape) -> Weights:
    """The weights that the graphs use. Raises UnfitCheckpointError for a different shape."""
    for name, size in weight_shapes(shape).items():
        actual = state[name].shape if name in state else None
        if actual != size:
            raise UnfitCheckpointError(f"{name} has the shape {actual} instead of {size}")
    return {name: state[name] for name in weight_shapes(shape)}


def in_transformers(shape: ClipShape, weights: Weights, pixels: Floats, ids: Ids) -> Embeddings:
    """`image_embeds`, `text_embeds`, normalized."""
    return transformers_embeds(transformers_model(shape, weights), pixels, ids)


def transformers_embeds(model: Any, pixels: Floats, ids: Ids) -> Embeddings:
    import torch

    with torch.no_grad():
        output = model(input_ids=torch.tensor(ids), pixel_values=torch.tensor(pixels))
    return {name: output[name].numpy() for name in ("image_embeds", "text_embeds")}


def transformers_model(shape: ClipShape, weights: Weights) -> Any:
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    text = _sizes(shape.text) | {"vocab_size": shape.vocabulary, "eos_token_id": LEGACY_EOS_ID}
    image = _sizes(shape.image) | {"image_size": shape.image_size, "patch_size": shape.patch}
    both = {"hidden_act": shape.activation, "layer_norm_eps": shape.epsilon}
    config = CLIPConfig(
        text_config=CLIPTextConfig(
            **text, **both, max_position_embeddings=shape.context, projection_dim=shape.dimension
        ).to_dict(),
        vision_config=CLIPVisionConfig(**image, **both, projection_dim=shape.dimension).to_dict(),
        projection_dim=shape.dimension,
    )
    model = CLIPModel(config).eval()
    _load(model, weights)
    return model


def in_open_clip(shape: ClipShape, weights: Weights, pixels: Floats, ids: Ids) -> Embeddings:
    """`image_embeds`, `text_embeds`, normalized; `ids` are padded to the context."""
    return open_clip_embeds(open_clip_model(shape, weights), pixels, ids)


def open_clip_embeds(model: Any, pixels: Floats, ids: Ids) -> Embeddings:
    import torch
    from torch.nn.functional import normalize

    padded = np.zeros((len(ids), model.context_length), np.int64)
    padded[:, : ids.shape[1]] = ids
    with torch.no_grad():
        image = normalize(model.encode_image(torch.tensor(pixels)), dim=-1)
        text = normalize(model.encode_text(torch.tensor(padded)), dim=-1)
    return {"image_embeds": image.numpy(), "text_embeds": text.numpy()}


def open_clip_model(shape: ClipShape, weights: Weights) -> Any:
    import open_clip

    image, text = shape.image, shape.text
    model = open_clip.CLIP(
        embed_dim=shape.dimension,
        vision_cfg={
            "image_size": shape.image_size,
            "layers": image.layers,
            "width": image.width,
            "patch_size": shape.patch,
            "head_width": image.width // image.heads,
            "mlp_ratio": image.inner / image.width,
        },
        text_cfg={
            "context_length": shape.context,
            "vocab_size": shape.vocabulary,
            "width": text.width,
            "heads": text.heads,
            "layers": text.layers,
            "mlp_ratio": text.inner / text.width,
        },
        quick_gelu=shape.activation == "quick_gelu",
    ).eval()
    _load(model, to_open_clip(weights, model.state_dict()))
    return model


def _of_transformers(folder: Path) -> Checkpoint:
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(folder, local_files_only=True).float().eval()
    config = model.config
    text, image = config.text_config, config.vision_config
    last = text.vocab_size - 1
    if text.eos_token_id not in (LEGACY_EOS_ID, last):
        raise UnfitCheckpointError(f"the end token is {text.eos_token_id}, not the largest ID")
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

    config = open_clip.get_model_config(architecture)
    if config is None:
        raise UnfitCheckpointError(f"open_clip has no model {architecture!r}")
    image, text = config["vision_cfg"], config["text_cfg"]
    if unknown := (set(config) | set(image) | set(text)) - SUPPORTED_SETTINGS:
        raise UnfitCheckpointError(f"{architecture} has unsupported settings: {sorted(unknown)}")
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
    # open_clip pads with zeros; tokens after the end token are not read.
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
    raise UnfitCheckpointError(f"unsupported activation {name!r}")


def _floats(model: Any) -> Weights:
    return {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}


def _sizes(tower: TowerShape) -> dict[str, int]:
    return {
        "hidden_size": tower.width,
        "intermediate_size": tower.inner,
        "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads,
    }


def _load(model: Any, weights: Weights) -> None:
    """Raises ValueError for weights that are missing or unexpected."""
    import torch

    tensors = {name: torch.tensor(np.ascontiguousarray(value)) for name, value in weights.items()}
    wrong = model.load_state_dict(tensors, strict=False)
    # A factor of the training loss that does not change directions.
    missing = set(wrong.missing_keys) - {"logit_scale"}
    if missing or wrong.unexpected_keys:
        raise ValueError(f"missing {sorted(missing)}, unexpected {wrong.unexpected_keys}")
