"""CLIP's image and text towers as ONNX graphs.

The image tower is a vision transformer (Dosovitskiy et al. 2021); the text tower is causal, and its
embedding is that of the end token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx

from models.clip.weights import IMAGE, TEXT, ClipShape, TowerShape, Weights
from models.onnx_writer import FLOAT, INT64, ONNXRUNTIME_OPS, GraphWriter

OPSET = 17
QUICK_GELU_SLOPE = 1.702
Pick = Callable[[str], str]
# Far below all scores, and within the range of float16.
NEVER = np.float32(-3e4)
TABLES = ("token", "position")


@dataclass(frozen=True)
class Blocks:
    """Writes the blocks of one tower.

    `fused` uses onnxruntime's attention operator instead of plain ONNX: the same values in fewer
    passes over memory.
    """

    graph: GraphWriter
    weights: Weights
    shape: ClipShape
    tower: TowerShape
    prefix: str
    fused: bool

    def encode(self, hidden: str, mask: str, pick: Pick, picked_mask: str) -> str:
        """All blocks: [N, L, W] → [N, 1, W], the token selected by `pick`.

        Masks are added to the scores; "" means no mask. The last block is computed for the selected
        token only.
        """
        for layer in range(self.tower.layers - 1):
            name = f"{self.prefix}.encoder.layers.{layer}"
            normed = self.layer_norm(f"{name}.layer_norm1", hidden)
            attended = self._attend(name, self._joined(name, "qkv", normed), mask)
            hidden = self._feed_forward(name, self.graph.op("Add", hidden, attended))
        name = f"{self.prefix}.encoder.layers.{self.tower.layers - 1}"
        normed = self.layer_norm(f"{name}.layer_norm1", hidden)
        parts = self._joined(name, "q", pick(normed)) + self._joined(name, "kv", normed)
        attended = self._attend(name, parts, picked_mask)
        return self._feed_forward(name, self.graph.op("Add", pick(hidden), attended))

    def layer_norm(self, name: str, hidden: str) -> str:
        scale, shift = (self._constant(f"{name}.{part}") for part in ("weight", "bias"))
        epsilon = self.shape.epsilon
        return self.graph.op("LayerNormalization", hidden, scale, shift, epsilon=epsilon)

    def project(self, name: str, token: str, output: str) -> None:
        """[N, 1, W] → `output` [N, D], normalized."""
        axis = self.graph.constant("token_axis", np.array([1]))
        weight = self.graph.constant(name, self.weights[name].T)
        projected = self.graph.op("MatMul", self.graph.op("Squeeze", token, axis), weight)
        self.graph.op("LpNormalization", projected, output=output, axis=-1, p=2)

    def _joined(self, name: str, parts: str, hidden: str) -> list[str]:
        """Projections of the same tokens as one matrix product, split afterwards."""
        names = [f"{name}.self_attn.{part}_proj" for part in parts]
        joined = self._linear(names, hidden)
        if len(parts) == 1:
            return [joined]
        sizes = self.graph.constant(f"cut_in_{len(parts)}", [self.tower.width] * len(parts))
        return self.graph.ops("Split", joined, sizes, outputs=[""] * len(parts), axis=-1)

    def _attend(self, name: str, parts: list[str], mask: str) -> str:
        if self.fused:
            inputs = [*parts, "", "", mask] if mask else parts
            attended = self.graph.op(
                "MultiHeadAttention", *inputs, domain=ONNXRUNTIME_OPS, num_heads=self.tower.heads
            )
        else:
            attended = self._plain_attention(parts, mask)
        return self._linear([f"{name}.self_attn.out_proj"], attended)

    def _plain_attention(self, parts: list[str], mask: str) -> str:
        graph, width, heads = self.graph, self.tower.width, self.tower.heads
        size = width // heads
        split = graph.constant("split_heads", np.array([0, -1, heads, size]))
        query, key, value = (graph.op("Reshape", part, split) for part in parts)
        scale = graph.constant("score_scale", np.float32(size**-0.5))
        query = graph.op("Mul", graph.op("Transpose", query, perm=[0, 2, 1, 3]), scale)
        scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=[0, 2, 3, 1]))
        shares = graph.op("Softmax", graph.op("Add", scores, mask) if mask else scores, axis=-1)
        seen = graph.op("MatMul", shares, graph.op("Transpose", value, perm=[0, 2, 1, 3]))
        join = graph.constant("join_heads", np.array([0, -1, width]))
        return graph.op("Reshape", graph.op("Transpose", seen, perm=[0, 2, 1, 3]), join)

    def _feed_forward(self, name: str, hidden: str) -> str:
        normed = self.layer_norm(f"{name}.layer_norm2", hidden)
        inner = self._activation(self._linear([f"{name}.mlp.fc1"], normed))
        return self.graph.op("Add", hidden, self._linear([f"{name}.mlp.fc2"], inner))

    def _activation(self, inner: str) -> str:
        """Both activations in the form that onnxruntime fuses."""
        graph = self.graph
        if self.shape.activation == "quick_gelu":
            slope = graph.constant("quick_gelu_slope", np.float32(QUICK_GELU_SLOPE))
            return graph.op("Mul", inner, graph.op("Sigmoid", graph.op("Mul", inner, slope)))
        root = graph.constant("root_of_2", np.float32(2**0.5))
        one, half = (graph.constant(f"value_{v}", np.float32(v)) for v in (1, 0.5))
        bell = graph.op("Add", graph.op("Erf", graph.op("Div", inner, root)), one)
        return graph.op("Mul", graph.op("Mul", inner, bell), half)

    def _linear(self, names: list[str], hidden: str) -> str:
        weight = np.concatenate([self.weights[f"{name}.weight"] for name in names]).T
        bias = np.concatenate([self.weights[f"{name}.bias"] for name in names])
        # One name for several matrices: "….q_proj+k_proj".
        joined = "+".join([names[0], *(name.rpartition(".")[2] for name in names[1:])])
        product = self.graph.op("MatMul", hidden, self.graph.constant(f"{joined}.weight", weight))
        return self.graph.op("Add", product, self.graph.constant(f"{joined}.bias", bias))

    def _constant(self, name: str) -> str:
        return self.graph.constant(name, self.weights[name])


def build_image_graph(shape: ClipShape, weights: Weights, *, fused: bool = True) -> onnx.ModelProto:
    """`pixel_values` [N, 3, S, S] → `image_embeds` [N, D], normalized."""
    graph = GraphWriter()
    blocks = Blocks(graph, weights, shape, shape.image, IMAGE, fused)
    tokens = _image_tokens(graph, shape, weights)
    hidden = blocks.layer_norm(f"{IMAGE}.pre_layrnorm", tokens)
    first = graph.constant("class_token", np.array([0]))
    token = blocks.encode(hidden, "", lambda some: graph.op("Gather", some, first, axis=1), "")
    normed = blocks.layer_norm(f"{IMAGE}.post_layernorm", token)
    blocks.project("visual_projection.weight", normed, "image_embeds")
    return graph.model(
        "clip_image",
        OPSET,
        {"pixel_values": (FLOAT, ["batch", 3, shape.image_size, shape.image_size])},
        {"image_embeds": (FLOAT, ["batch", shape.dimension])},
    )


def _image_tokens(graph: GraphWriter, shape: ClipShape, weights: Weights) -> str:
    """[N, patches + 1, W], the class token first."""
    positions = weights[f"{IMAGE}.embeddings.position_embedding.weight"].copy()
    # A row of zeros for the class token, whose vector is added with its position.
    positions[0] += weights[f"{IMAGE}.embeddings.class_embedding"]
    pads = graph.constant("class_token_before", np.array([0, 1, 0, 0, 0, 0]))
    tokens = graph.op("Pad", _patches(graph, shape, weights), pads)
    return graph.op("Add", tokens, graph.constant(f"{IMAGE}.embeddings.positions", positions))


def _patches(graph: GraphWriter, shape: ClipShape, weights: Weights) -> str:
    """[N, patches, W]. A convolution whose stride is its width is a matrix product, which has fast
    int8 kernels."""
    side, patch = shape.patches_a_side, shape.patch
    cut = graph.constant("cut_patches", np.array([0, 3, side, patch, side, patch]))
    pixels = graph.op("Reshape", "pixel_values", cut)
    rows = graph.constant("patch_rows", np.array([0, side * side, 3 * patch * patch]))
    flat = graph.op("Reshape", graph.op("Transpose", pixels, perm=[0, 2, 4, 1, 3, 5]), rows)
    name = f"{IMAGE}.embeddings.patch_embedding.weight"
    weight = weights[name].reshape(shape.image.width, -1).T
    return graph.op("MatMul", flat, graph.constant(name, weight))


def build_text_graph(shape: ClipShape, weights: Weights, *, fused: bool = True) -> onnx.ModelProto:
    """`input_ids` [N, L], L ≤ context → `text_embeds` [N, D], normalized.

    The end token is the first one with the largest ID, as in OpenAI's code. Tokens after it have no
    effect, so that texts need no padding beyond their batch.
    """
    graph = GraphWriter()
    blocks = Blocks(graph, weights, shape, shape.text, TEXT, fused)
    ends = graph.op("ArgMax", "input_ids", axis=1, keepdims=0)
    last_axes = graph.constant("last_axes", np.array([1, 2]))
    places = graph.op("Unsqueeze", ends, last_axes)
    length = graph.op("Shape", "input_ids", start=1, end=2)
    mask, end_mask = _masks(graph, shape.context, length, ends)
    token = blocks.encode(
        _text_tokens(graph, weights, length),
        mask,
        lambda some: graph.op("GatherND", some, places, batch_dims=1),
        end_mask,
    )
    normed = blocks.layer_norm(f"{TEXT}.final_layer_norm", token)
    blocks.project("text_projection.weight", normed, "text_embeds")
    return graph.model(
        "clip_text",
        OPSET,
        {"input_ids": (INT64, ["batch", "length"])},
        {"text_embeds": (FLOAT, ["batch", shape.dimension])},
    )


def _text_tokens(graph: GraphWriter, weights: Weights, length: str) -> str:
    """[N, L, W]."""
    table, positions = (f"{TEXT}.embeddings.{kind}_embedding.weight" for kind in TABLES)
    words = graph.op("Gather", graph.constant(table, weights[table]), "input_ids")
    zero = graph.constant("zero", np.array([0]))
    used = graph.op("Slice", graph.constant(positions, weights[positions]), zero, length, zero)
    return graph.op("Add", words, used)


def _masks(graph: GraphWriter, context: int, length: str, ends: str) -> tuple[str, str]:
    """The attention masks: causal [1, 1, L, L], and of the end tokens only [N, 1, 1, L]."""
    later = np.triu(np.full((context, context), NEVER, np.float32), 1)
    square = graph.op(
        "Slice",
        graph.constant("causal_mask", later),
        graph.constant("from_0_0", np.array([0, 0])),
        graph.op("Concat", length, length, axis=0),
        graph.constant("both_axes", np.array([0, 1])),
    )
    whole = graph.op("Unsqueeze", square, graph.constant("first_axes", np.array([0, 1])))
    rows = graph.op("Gather", square, ends)
    return whole, graph.op("Unsqueeze", rows, graph.constant("last_axes", np.array([1, 2])))
