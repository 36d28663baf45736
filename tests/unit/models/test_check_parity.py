"""Claims: the gate accepts an accurate model folder and rejects a damaged one with reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from imagesearch.embedding.manifest import MANIFEST, load_manifest
from models.evaluation.check_parity import main
from models.model_folder import write_folder
from models.quantization.quantize import main as quantize

pytestmark = pytest.mark.slow


@pytest.fixture
def shipped(small_clip: Path, few_samples: Path, tmp_path: Path) -> Path:
    arguments = ["--image", "half", "--text", "half", "--out", str(tmp_path)]
    assert quantize([str(small_clip), *arguments]) == 0
    return tmp_path


def check(folder: Path, small_clip: Path, few_samples: Path, *more: str) -> int:
    against = ["--against", str(small_clip), "--samples", str(few_samples)]
    return main([str(folder), *against, "--write", *more])


def test_an_accurate_model_passes_and_its_figures_are_stored(
    shipped: Path, small_clip: Path, few_samples: Path
) -> None:
    before = load_manifest(shipped)
    # Random weights find photos by chance, and one photo of sixteen is 6.25 percentage points.
    assert check(shipped, small_clip, few_samples, "--recall-loss", "7") == 0
    after = load_manifest(shipped)
    assert after.quality
    assert after.quality["image_cosine_to_float32"]["worst"] >= 0.999
    assert after.quality["text_to_image_top10_overlap"] >= 90
    assert set(after.quality["text_to_image"]) == {"R@1", "R@5", "R@10"}
    assert after.image_space == before.image_space


def test_a_damaged_model_is_rejected_with_every_reason(
    shipped: Path, small_clip: Path, few_samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = onnx.load(shipped / "image.onnx")
    weight = next(t for t in image.graph.initializer if t.name.endswith("1.mlp.fc2.weight.half"))
    turned = np.ascontiguousarray(numpy_helper.to_array(weight)[::-1])
    weight.CopyFrom(numpy_helper.from_array(turned, weight.name))
    about = load_manifest(shipped).model_dump(exclude_unset=True)
    text = onnx.load(shipped / "text.onnx")
    tokenizer = small_clip / "tokenizer.json"
    write_folder(shipped, about, image=image, text=text, tokenizer=tokenizer)
    written = (shipped / MANIFEST).read_bytes()
    assert check(shipped, small_clip, few_samples) == 1
    output = capsys.readouterr().err
    assert "image graph: median cosine to float32 is" in output
    assert "image graph: worst cosine to float32 is" in output
    assert "→ image: " in output
    assert "text graph" not in output
    assert (shipped / MANIFEST).read_bytes() == written


def test_a_limit_can_be_configured(
    shipped: Path, small_clip: Path, few_samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(shipped, small_clip, few_samples, "--worst-cosine", "1.1") == 1
    assert "worst cosine to float32 is 1.0000, below 1.1" in capsys.readouterr().err


def test_an_invalid_model_folder_has_another_exit_status_than_an_unfit_model(
    tmp_path: Path, small_clip: Path, few_samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, small_clip, few_samples) == 2
    assert "manifest.json cannot be read" in capsys.readouterr().err
