"""Claims: the gate accepts an accurate model and rejects a damaged one with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from imagesearch.calibration.parity import (
    Cosines,
    ParityError,
    batch_faults,
    cosine_faults,
    cosines,
    recall_faults,
    refuse,
)
from imagesearch.calibration.retrieval import Recall
from imagesearch.embedding.session import open_session
from models import Floats
from models.evaluation.reference_pipeline import Embedder
from models.evaluation.samples import Samples
from models.starter.build import main
from models.starter.quality import STARTER, size_faults

pytestmark = pytest.mark.slow

GOOD: Recall = {"R@1": 58.8, "R@5": 84.7, "R@10": 92.9}


@pytest.fixture
def damaged(starter: Embedder, starter_folder: Path, tmp_path: Path) -> Embedder:
    """The shipped text graph with one of its 24 matrices flipped vertically."""
    model = onnx.load(starter_folder / "text.onnx")
    tensor = next(t for t in model.graph.initializer if t.name.endswith("dense.uint8"))
    upside_down = numpy_helper.to_array(tensor)[::-1]
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(upside_down), tensor.name))
    onnx.save(model, tmp_path / "text.onnx")
    graph = open_session(tmp_path / "text.onnx")
    return Embedder(starter.image, graph, starter.tokenizer, starter.preprocess)


def test_a_damaged_graph_is_rejected(
    damaged: Embedder, samples: Samples, sample_texts: Floats
) -> None:
    faults = cosine_faults(
        "text graph", cosines(damaged.texts(samples.captions), sample_texts), STARTER
    )
    with pytest.raises(ParityError, match="text graph: median cosine to float32 is 0"):
        refuse(faults)


def test_the_shipped_graph_passes(
    starter: Embedder, samples: Samples, sample_texts: Floats
) -> None:
    refuse(
        cosine_faults("text graph", cosines(starter.texts(samples.captions), sample_texts), STARTER)
    )


def test_one_lost_photo_of_85_is_accepted_and_two_are_not() -> None:
    assert recall_faults(GOOD | {"R@1": 57.6}, GOOD, STARTER) == []
    assert recall_faults(GOOD | {"R@1": 56.5}, GOOD, STARTER) == [
        "R@1 is 56.5, more than 2.0 below float32's 58.8"
    ]


def test_a_model_below_the_target_is_rejected_even_if_equal_to_its_source() -> None:
    poor = GOOD | {"R@5": 70.0}
    assert recall_faults(poor, poor, STARTER) == ["R@5 is 70.0, below the target of 78"]


def test_nan_vectors_are_rejected() -> None:
    not_a_number = cosines(np.full((2, 3), np.nan, np.float32), np.ones((2, 3), np.float32))
    assert len(cosine_faults("image graph", not_a_number, STARTER)) == 2
    assert batch_faults("image graph", not_a_number, STARTER)


def test_a_graph_that_depends_on_its_batch_is_rejected() -> None:
    assert batch_faults("text graph", Cosines(median=1.0, worst=0.9993), STARTER)
    assert not batch_faults("text graph", Cosines(median=1.0, worst=0.99999), STARTER)


def test_a_folder_that_is_too_large_is_rejected() -> None:
    assert size_faults(40_000_000) == []
    assert size_faults(40_000_001) == ["the folder has 40,000,001 bytes, more than 40,000,000"]


def test_missing_sources_stop_the_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["--sources", str(tmp_path), "--out", str(out)]) == 2
    assert "efficientnet-lite2/model.onnx is missing" in capsys.readouterr().err
    assert not out.exists()
