"""CLIP as transformers and open_clip compute it, from given weights; needs the group `export`."""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-untyped-call,no-any-return"
from __future__ import annotations

import numpy as np
import open_clip
import torch
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from models import Floats
from models.clip.reference import Embeddings, Ids
from models.clip.weights import ClipShape, TowerShape, Weights, to_open_clip


def in_transformers(shape: ClipShape, weights: Weights, pixels: Floats, ids: Ids) -> Embeddings:
    """`image_embeds`, `text_embeds`, both of length 1."""
    return transformers_embeds(transformers_model(shape, weights), pixels, ids)


def transformers_embeds(model: CLIPModel, pixels: Floats, ids: Ids) -> Embeddings:
    with torch.no_grad():
        found = model(input_ids=torch.tensor(ids), pixel_values=torch.tensor(pixels))
    return {name: found[name].numpy() for name in ("image_embeds", "text_embeds")}


def transformers_model(shape: ClipShape, weights: Weights) -> CLIPModel:
    # transformers reads 2 as "the end token has the largest id", which is OpenAI's rule.
    text = _sizes(shape.text) | {"vocab_size": shape.vocabulary, "eos_token_id": 2}
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
    """`image_embeds`, `text_embeds`, both of length 1; `ids` are padded to the context."""
    return open_clip_embeds(open_clip_model(shape, weights), pixels, ids)


def open_clip_embeds(model: torch.nn.Module, pixels: Floats, ids: Ids) -> Embeddings:
    padded = np.zeros((len(ids), model.context_length), np.int64)
    padded[:, : ids.shape[1]] = ids
    with torch.no_grad():
        image = normalize(model.encode_image(torch.tensor(pixels)), dim=-1)
        text = normalize(model.encode_text(torch.tensor(padded)), dim=-1)
    return {"image_embeds": image.numpy(), "text_embeds": text.numpy()}


def open_clip_model(shape: ClipShape, weights: Weights) -> torch.nn.Module:
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


def _sizes(tower: TowerShape) -> dict[str, int]:
    return {
        "hidden_size": tower.width,
        "intermediate_size": tower.inner,
        "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads,
    }


def _load(model: torch.nn.Module, weights: Weights) -> None:
    """Raises ValueError where a name is on one side only."""
    tensors = {name: torch.tensor(np.ascontiguousarray(value)) for name, value in weights.items()}
    wrong = model.load_state_dict(tensors, strict=False)
    # Scales the scores of training, and changes no direction.
    missing = set(wrong.missing_keys) - {"logit_scale"}
    if missing or wrong.unexpected_keys:
        raise ValueError(f"missing {sorted(missing)}, unexpected {wrong.unexpected_keys}")
