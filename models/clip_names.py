"""The same CLIP weights under other names: those of OpenAI's code and of open_clip."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.clip.weights import IMAGE, TEXT, Weights
from models.quantise import Floats

# transformers' name → open_clip's, for what stands outside the blocks.
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
# open_clip keeps these [inputs, outputs].
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


def is_open_clip(state: Mapping[str, object]) -> bool:
    return "visual.conv1.weight" in state


def from_open_clip(state: Mapping[str, Floats]) -> Weights:
    """Raises KeyError for a CLIP of another make (a ResNet, or a text tower of its own)."""
    found = {name: state[theirs] for name, theirs in _plain_names(state).items()}
    found |= {name: state[theirs].T for name, theirs in TURNED.items()}
    for ours, theirs in _blocks(state):
        for kind in ("weight", "bias"):
            thirds = np.split(state[f"{theirs}.attn.in_proj_{kind}"], 3)
            for part, third in zip(THIRDS, thirds, strict=True):
                found[f"{ours}.self_attn.{part}.{kind}"] = third
    return found


def to_open_clip(weights: Weights, theirs: Mapping[str, object]) -> Weights:
    """The other way round; `theirs` has the names that are wanted."""
    state = {name: weights[ours] for ours, name in _plain_names(theirs).items()}
    state |= {name: weights[ours].T for ours, name in TURNED.items()}
    for ours, block in _blocks(theirs):
        for kind in ("weight", "bias"):
            thirds = [weights[f"{ours}.self_attn.{part}.{kind}"] for part in THIRDS]
            state[f"{block}.attn.in_proj_{kind}"] = np.concatenate(thirds)
    return state


def _plain_names(theirs: Mapping[str, object]) -> dict[str, str]:
    pairs = list(NORMS.items())
    for ours, block in _blocks(theirs):
        pairs += [(f"{ours}.{part}", f"{block}.{their}") for part, their in WITHIN.items()]
    kinds = ("weight", "bias")
    return OUTSIDE | {f"{our}.{kind}": f"{their}.{kind}" for our, their in pairs for kind in kinds}


def _blocks(theirs: Mapping[str, object]) -> list[tuple[str, str]]:
    """The names of every block, in both ways."""
    return [
        (f"{ours}.{layer}", f"{stack}.{layer}")
        for ours, stack in STACKS.items()
        for layer in range(
            sum(name.startswith(f"{stack}.") and name.endswith(".ln_1.weight") for name in theirs)
        )
    ]
