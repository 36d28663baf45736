"""The transformer that both towers of CLIP are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.clip.weights import Weights
from models.clip_shape import ClipShape, TowerShape
from models.onnx_writer import ONNXRUNTIME_OPS, GraphWriter

OPSET = 17
QUICK_GELU_SLOPE = 1.702
Pick = Callable[[str], str]


@dataclass(frozen=True)
class Blocks:
    """Writes the blocks of one tower. `fused` takes onnxruntime's own attention instead of plain
    ONNX: the same values, in fewer passes over memory."""

    graph: GraphWriter
    weights: Weights
    shape: ClipShape
    tower: TowerShape
    prefix: str
    fused: bool

    def encode(self, hidden: str, mask: str, pick: Pick, picked_mask: str) -> str:
        """All blocks: [N, L, W] → [N, 1, W], the token that `pick` takes; a mask is added to the
        scores, and is "" where every token sees every other.

        The last block is computed for that token alone: nobody reads the others.
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
        """[N, 1, W] → `output` [N, D], of length 1."""
        axis = self.graph.constant("token_axis", np.array([1]))
        weight = self.graph.constant(name, self.weights[name].T)
        projected = self.graph.op("MatMul", self.graph.op("Squeeze", token, axis), weight)
        self.graph.op("LpNormalization", projected, output=output, axis=-1, p=2)

    def _joined(self, name: str, parts: str, hidden: str) -> list[str]:
        """Projections of the same tokens as one matrix, cut apart again."""
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
        """Both in the form that onnxruntime knows and fuses."""
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
        # One name for several matrices: the block's, then the parts', as in "….q_proj+k_proj".
        joined = "+".join([names[0], *(name.rpartition(".")[2] for name in names[1:])])
        product = self.graph.op("MatMul", hidden, self.graph.constant(f"{joined}.weight", weight))
        return self.graph.op("Add", product, self.graph.constant(f"{joined}.bias", bias))

    def _constant(self, name: str) -> str:
        return self.graph.constant(name, self.weights[name])
