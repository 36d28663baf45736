"""A CLIP's weights under the names of transformers' CLIPModel, and random ones for any shape."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from models.clip_shape import ClipShape, TowerShape
from models.quantise import Floats

Weights = dict[str, Floats]
Shape = tuple[int, ...]
IMAGE, TEXT = "vision_model", "text_model"
# Four numbers of 16 bits, each uniform, have nearly a normal sum; this is its deviation.
DEVIATION_OF_FOUR = 2 * 2**16 / 12**0.5


def random_weights(shape: ClipShape, seed: int) -> Weights:
    """The same with every version of numpy: only the generator's raw bits are taken, which numpy
    guarantees. Deviations keep a token's values near 1 in every layer, whatever the shape."""
    drawn = {}
    for name, size in weight_shapes(shape).items():
        mean, deviation = _spread(name, size)
        drawn[name] = mean + np.float32(deviation) * random_floats((seed, name), size)
    return drawn


def random_floats(key: tuple[int, str], size: Shape) -> Floats:
    """Nearly normal, mean 0, deviation 1; each key has numbers of its own."""
    seed, name = key
    bits = np.random.PCG64([seed, zlib.crc32(name.encode())]).random_raw(int(np.prod(size)))
    sixteen = bits.astype("<u8", copy=False).view("<i2").reshape(-1, 4)
    total = sixteen[:, 0].astype(np.float32)
    for place in (1, 2, 3):
        total += sixteen[:, place]
    return (total / np.float32(DEVIATION_OF_FOUR)).reshape(size)


def weight_shapes(shape: ClipShape) -> dict[str, Shape]:
    """Every tensor that the two towers use; matrices are [outputs, inputs]."""
    image, text, patch = shape.image, shape.text, shape.patch
    return {
        f"{IMAGE}.embeddings.class_embedding": (image.width,),
        f"{IMAGE}.embeddings.patch_embedding.weight": (image.width, 3, patch, patch),
        f"{IMAGE}.embeddings.position_embedding.weight": (
            shape.patches_a_side**2 + 1,
            image.width,
        ),
        # The name is spelt so.
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
