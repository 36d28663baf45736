"""Sizes and weights of CLIP models, under the names of transformers' CLIPModel.

Includes random weights for any shape, and the names of the same weights in open_clip and OpenAI's
code.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models import Floats

Activation = Literal["quick_gelu", "gelu"]
Weights = dict[str, Floats]
Shape = tuple[int, ...]
IMAGE, TEXT = "vision_model", "text_model"
# The standard deviation of the sum of four uniform 16-bit numbers, which is nearly normal.
DEVIATION_OF_FOUR = 2 * 2**16 / 12**0.5
# transformers' name → open_clip's, for tensors outside the blocks.
OUTSIDE = {
    f"{IMAGE}.embeddings.class_embedding": "visual.class_embedding",
    f"{IMAGE}.embeddings.patch_embedding.weight": "visual.conv1.weight",
    f"{IMAGE}.embeddings.position_embedding.weight": "visual.positional_embedding",
    f"{TEXT}.embeddings.token_embedding.weight": "token_embedding.weight",
    f"{TEXT}.embeddings.position_embedding.weight": "positional_embedding",
}
NORMS = {
    f"{IMAGE}.pre_layrnorm": "visual.ln_pre",
    f"{IMAGE}.post_layernorm": "visual.ln_post",
    f"{TEXT}.final_layer_norm": "ln_final",
}
# Stored as [inputs, outputs] in open_clip.
TURNED = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}
STACKS = {
    f"{IMAGE}.encoder.layers": "visual.transformer.resblocks",
    f"{TEXT}.encoder.layers": "transformer.resblocks",
}
WITHIN = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
THIRDS = ("q_proj", "k_proj", "v_proj")


@dataclass(frozen=True)
class TowerShape:
    """Sizes of a transformer: `width` of a token, `inner` of the MLP's hidden layer."""

    width: int
    layers: int
    heads: int
    inner: int


@dataclass(frozen=True)
class ClipShape:
    """Both towers; sides in pixels, `context` in tokens. OpenAI's models use quick_gelu."""

    dimension: int
    image_size: int
    patch: int
    image: TowerShape
    vocabulary: int
    context: int
    text: TowerShape
    activation: Activation = "quick_gelu"
    epsilon: float = 1e-5

    @property
    def patches_a_side(self) -> int:
        return self.image_size // self.patch


# Radford et al. 2021, table 20.
VIT_B_32 = ClipShape(
    dimension=512,
    image_size=224,
    patch=32,
    image=TowerShape(width=768, layers=12, heads=12, inner=3072),
    vocabulary=49408,
    context=77,
    text=TowerShape(width=512, layers=12, heads=8, inner=2048),
)
# All sizes differ, so that swapped axes are detected.
TINY = ClipShape(
    dimension=12,
    image_size=24,
    patch=8,
    image=TowerShape(width=20, layers=3, heads=4, inner=44),
    vocabulary=97,
    context=18,
    text=TowerShape(width=16, layers=2, heads=2, inner=36),
)


def random_weights(shape: ClipShape, seed: int) -> Weights:
    """Reproducible with every version of numpy: uses only the generator's raw bits, which numpy
    guarantees. The deviations keep a token's values near 1 in every layer of any shape."""
    drawn = {}
    for name, size in weight_shapes(shape).items():
        mean, deviation = _spread(name, size)
        drawn[name] = mean + np.float32(deviation) * random_floats((seed, name), size)
    return drawn


def random_floats(key: tuple[int, str], size: Shape) -> Floats:
    """Nearly normal numbers of mean 0 and deviation 1, different for each key."""
    seed, name = key
    bits = np.random.PCG64([seed, zlib.crc32(name.encode())]).random_raw(int(np.prod(size)))
    sixteen = bits.astype("<u8", copy=False).view("<i2").reshape(-1, 4)
    total = sixteen[:, 0].astype(np.float32)
    for place in (1, 2, 3):
        total += sixteen[:, place]
    return (total / np.float32(DEVIATION_OF_FOUR)).reshape(size)


def weight_shapes(shape: ClipShape) -> dict[str, Shape]:
    """The shapes of all tensors of both towers; matrices are [outputs, inputs]."""
    image, text, patch = shape.image, shape.text, shape.patch
    return {
        f"{IMAGE}.embeddings.class_embedding": (image.width,),
        f"{IMAGE}.embeddings.patch_embedding.weight": (image.width, 3, patch, patch),
        f"{IMAGE}.embeddings.position_embedding.weight": (
            shape.patches_a_side**2 + 1,
            image.width,
        ),
        # The name has this typo in transformers.
        **dict(_affine(f"{IMAGE}.pre_layrnorm", (image.width,))),
        **dict(_blocks(IMAGE, image)),
        **dict(_affine(f"{IMAGE}.post_layernorm", (image.width,))),
        "visual_projection.weight": (shape.dimension, image.width),
        f"{TEXT}.embeddings.token_embedding.weight": (shape.vocabulary, text.width),
        f"{TEXT}.embeddings.position_embedding.weight": (shape.context, text.width),
        **dict(_blocks(TEXT, text)),
        **dict(_affine(f"{TEXT}.final_layer_norm", (text.width,))),
        "text_projection.weight": (shape.dimension, text.width),
    }


def _blocks(prefix: str, tower: TowerShape) -> Iterator[tuple[str, Shape]]:
    square, width = (tower.width, tower.width), (tower.width,)
    for layer in range(tower.layers):
        name = f"{prefix}.encoder.layers.{layer}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _affine(f"{name}.self_attn.{part}", square)
        yield from _affine(f"{name}.layer_norm1", width)
        yield from _affine(f"{name}.mlp.fc1", (tower.inner, tower.width))
        yield from _affine(f"{name}.mlp.fc2", (tower.width, tower.inner))
        yield from _affine(f"{name}.layer_norm2", width)


def _affine(name: str, size: Shape) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", size
    yield f"{name}.bias", size[:1]


def _spread(name: str, size: Shape) -> tuple[float, float]:
    """Mean and deviation of a tensor's values."""
    if "norm" in name:
        return (1.0, 0.1) if name.endswith("weight") else (0.0, 0.1)
    if name.endswith("bias"):
        return 0.0, 0.1
    if "embedding" in name and "patch" not in name:
        return 0.0, 0.5
    return 0.0, float(np.prod(size[1:])) ** -0.5


def from_open_clip(state: Mapping[str, Floats]) -> Weights:
    """Raises KeyError for other architectures (a ResNet, or a custom text tower)."""
    found = {name: state[theirs] for name, theirs in _plain_names(state).items()}
    found |= {name: state[theirs].T for name, theirs in TURNED.items()}
    for ours, theirs in _named_blocks(state):
        for kind in ("weight", "bias"):
            thirds = np.split(state[f"{theirs}.attn.in_proj_{kind}"], 3)
            for part, third in zip(THIRDS, thirds, strict=True):
                found[f"{ours}.self_attn.{part}.{kind}"] = third
    return found


def to_open_clip(weights: Weights, theirs: Mapping[str, object]) -> Weights:
    """The reverse of `from_open_clip`; `theirs` has the names to return."""
    state = {name: weights[ours] for ours, name in _plain_names(theirs).items()}
    state |= {name: weights[ours].T for ours, name in TURNED.items()}
    for ours, block in _named_blocks(theirs):
        for kind in ("weight", "bias"):
            thirds = [weights[f"{ours}.self_attn.{part}.{kind}"] for part in THIRDS]
            state[f"{block}.attn.in_proj_{kind}"] = np.concatenate(thirds)
    return state


def _plain_names(theirs: Mapping[str, object]) -> dict[str, str]:
    pairs = list(NORMS.items())
    for ours, block in _named_blocks(theirs):
        pairs += [(f"{ours}.{part}", f"{block}.{their}") for part, their in WITHIN.items()]
    kinds = ("weight", "bias")
    return OUTSIDE | {f"{our}.{kind}": f"{their}.{kind}" for our, their in pairs for kind in kinds}


def _named_blocks(theirs: Mapping[str, object]) -> list[tuple[str, str]]:
    """The names of every block, in both libraries."""
    return [
        (f"{ours}.{layer}", f"{stack}.{layer}")
        for ours, stack in STACKS.items()
        for layer in range(
            sum(name.startswith(f"{stack}.") and name.endswith(".ln_1.weight") for name in theirs)
        )
    ]
