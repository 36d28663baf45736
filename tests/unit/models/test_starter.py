"""Claims: the shipped folder matches its manifest, and its graphs match their reference."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tokenizers import Tokenizer

from imagesearch.calibration.parity import cosines
from imagesearch.calibration.retrieval import ranks, recall
from imagesearch.embedding.self_test.edits import EDITS
from imagesearch.embedding.session import open_session
from models import Floats
from models.evaluation.reference_pipeline import Embedder
from models.evaluation.samples import Samples
from models.onnx_writer import FLOAT, GraphWriter
from models.starter.build import PREPROCESS, image_space, write_manifest
from models.starter.image_graph import SIZE, ImageBlocks, build_image_graph, classifier_weights
from models.starter.quality import LARGEST_FOLDER, RECALL_TARGETS, STARTER, text_batch_cosines
from models.starter.reference import image_embeddings, unit_length
from models.starter.sources import sha256
from models.starter.text_graph import WIDTH

pytestmark = pytest.mark.slow


def test_every_file_has_the_hash_and_size_of_the_manifest(
    starter_folder: Path, manifest: dict[str, Any]
) -> None:
    for name, stated in manifest["files"].items():
        file = starter_folder / name
        assert stated == {"sha256": sha256(file), "bytes": file.stat().st_size}


def test_the_folder_fits_the_layer(starter_folder: Path) -> None:
    assert sum(file.stat().st_size for file in starter_folder.iterdir()) <= LARGEST_FOLDER


def test_the_model_includes_its_licenses(starter_folder: Path) -> None:
    assert "TERMS AND CONDITIONS FOR USE" in (starter_folder / "LICENSE").read_text("utf-8")
    notice = (starter_folder / "NOTICE").read_text("utf-8")
    assert all(name in notice for name in ("EfficientNet-Lite2", "MiniLM", "WordNet", "MIT"))


def test_the_graphs_have_the_declared_inputs_and_outputs(
    starter: Embedder, manifest: dict[str, Any]
) -> None:
    image, text = manifest["image"], manifest["text"]
    (pixels,), (embeds,) = starter.image.get_inputs(), starter.image.get_outputs()
    assert (pixels.name, embeds.name) == (image["input"], image["output"])
    assert pixels.type == embeds.type == "tensor(float)"
    assert pixels.shape[1:] == [3, image["size"], image["size"]]
    assert embeds.shape[1:] == [manifest["dimension"]]
    names = [given.name for given in starter.text.get_inputs()]
    assert names == [text["input_ids"], text["attention_mask"]]
    assert [out.name for out in starter.text.get_outputs()] == [text["output"]]
    assert starter.text.get_outputs()[0].shape[1:] == [manifest["dimension"]]


def test_the_text_graph_accepts_every_length_up_to_the_maximum(
    starter: Embedder, manifest: dict[str, Any]
) -> None:
    for length in (1, 2, manifest["text"]["max_length"]):
        ids = np.full((3, length), 2000, np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        assert starter.text.run(None, feeds)[0].shape == (3, manifest["dimension"])


def test_the_tokenizer_neither_pads_nor_truncates(starter_folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(starter_folder / "tokenizer.json"))
    assert tokenizer.padding is None
    assert tokenizer.truncation is None
    assert tokenizer.encode("a red bicycle").ids == [101, 1037, 2417, 10165, 102]


def test_the_text_tower_requires_the_space_of_the_image_graph(
    starter_folder: Path, manifest: dict[str, Any]
) -> None:
    image = {key: value for key, value in manifest["image"].items() if key != "graph"}
    space = image_space(starter_folder / "image.onnx", image)
    assert manifest["text"]["image_space"] == space


def test_the_resize_method_affects_the_space_and_the_quality_figure_does_not(
    starter_folder: Path, manifest: dict[str, Any], tmp_path: Path
) -> None:
    for name in manifest["files"]:
        (tmp_path / name).symlink_to(starter_folder / name)

    def space_of(resize: str, quality: dict[str, object]) -> str:
        write_manifest(tmp_path, replace(PREPROCESS, resize=resize), quality)
        written = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
        return str(written["text"]["image_space"])

    same = space_of(PREPROCESS.resize, {"measured": "elsewhere"})
    assert same == manifest["text"]["image_space"]
    assert space_of("stretch", {}) != same


def test_the_manifest_contains_the_figures_and_the_command(manifest: dict[str, Any]) -> None:
    quality = manifest["quality"]
    assert quality["command"].startswith("python -m models.")
    for cut, target in RECALL_TARGETS.items():
        assert quality["text_to_image"][cut] >= target


pytestmark = pytest.mark.slow


def test_vectors_have_length_1(sample_images: Floats, sample_texts: Floats) -> None:
    for vectors in (sample_images, sample_texts):
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_an_image_has_the_same_vector_alone_and_in_a_batch(
    starter: Embedder, samples: Samples, sample_images: Floats
) -> None:
    some = slice(0, 16)
    alone = starter.images(samples.pictures[some], batch=1)
    assert cosines(sample_images[some], alone).worst >= STARTER.batch_cosine


def test_a_text_has_the_same_vector_alone_and_in_a_padded_batch(
    starter: Embedder, samples: Samples
) -> None:
    assert text_batch_cosines(starter, samples.captions).worst >= STARTER.batch_cosine


def test_captions_find_their_photos(sample_texts: Floats, sample_images: Floats) -> None:
    found = recall(sample_texts, sample_images)
    assert {cut: found[cut] >= target for cut, target in RECALL_TARGETS.items()} == {
        "R@1": True,
        "R@5": True,
        "R@10": True,
    }, found


def test_the_stated_recall_equals_the_measured_recall(
    sample_texts: Floats, sample_images: Floats, manifest: dict[str, Any]
) -> None:
    # Processors round differently, so the rank of one photo of 85 can change.
    stated = manifest["quality"]["text_to_image"]
    assert recall(sample_texts, sample_images) == pytest.approx(stated, abs=1.3)


def test_a_text_ranks_by_the_first_block_only(sample_texts: Floats, sample_images: Floats) -> None:
    assert not sample_texts[:, WIDTH:].any()
    first = ranks(sample_texts[:, :WIDTH], sample_images[:, :WIDTH])
    assert (ranks(sample_texts, sample_images) == first).all()


def test_the_second_block_finds_the_originals_of_watermarked_photos(
    starter: Embedder, samples: Samples, sample_images: Floats
) -> None:
    edited = starter.images([EDITS["watermarked"](picture) for picture in samples.pictures])
    both = (ranks(edited, sample_images) == 0).mean()
    first = (ranks(edited[:, :WIDTH], sample_images[:, :WIDTH]) == 0).mean()
    assert both > first + 0.1


def test_text_and_image_of_one_subject_are_nearer_than_of_two(starter: Embedder) -> None:
    dog, cat, spanner = starter.texts(["a dog", "a puppy", "a steel wrench"])
    assert dog @ cat > dog @ spanner


pytestmark = pytest.mark.slow

FEATURES, LABELS, WORDS, DIRECTIONS = 6, 40, 16, 4
Network = tuple[Path, Floats]


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """A network of mean colors, a 1 × 1 convolution to features, and a matrix of labels."""
    chance = np.random.default_rng(7)
    classifier = chance.standard_normal((LABELS, FEATURES)).astype(np.float16).astype(np.float32)
    kernel = chance.uniform(0, 1, (FEATURES, 3, 1, 1)).astype(np.float16).astype(np.float32)
    graph = GraphWriter()
    spread = graph.op("Relu", graph.op("Conv", "pixel_values", graph.constant("kernel", kernel)))
    graph.op("ReduceMean", spread, output="features", axes=[2, 3], keepdims=0)
    graph.op(
        "Gemm", "features", graph.constant("classifier", classifier), output="logits", transB=1
    )
    pixels = {"pixel_values": (FLOAT, ["batch", 3, SIZE, SIZE])}
    outputs = {"features": (FLOAT, ["batch", FEATURES]), "logits": (FLOAT, ["batch", LABELS])}
    path = tmp_path / "network.onnx"
    onnx.save(graph.model("network", 17, pixels, outputs), path)
    return path, classifier


@pytest.fixture
def blocks() -> ImageBlocks:
    chance = np.random.default_rng(8)
    labels = unit_length(chance.standard_normal((LABELS, WORDS)).astype(np.float32))
    directions = chance.standard_normal((FEATURES, DIRECTIONS)).astype(np.float32)
    return ImageBlocks(labels, directions, weight=0.3)


def test_the_graph_equals_the_reference(network: Network, blocks: ImageBlocks) -> None:
    path, _ = network
    pixels = np.random.default_rng(9).uniform(-1, 1, (3, 3, SIZE, SIZE)).astype(np.float32)
    features, logits = _run(path.read_bytes(), ["features", "logits"], pixels)
    built = build_image_graph(path, blocks).SerializeToString()
    (embeds,) = _run(built, ["image_embeds"], pixels)
    assert embeds.shape == (3, WORDS + DIRECTIONS)
    assert (embeds * image_embeddings(features, logits, blocks)).sum(axis=1) == pytest.approx(
        1, abs=1e-5
    )


def test_equal_sources_give_equal_bytes(network: Network, blocks: ImageBlocks) -> None:
    first, second = (build_image_graph(network[0], blocks).SerializeToString() for _ in range(2))
    assert first == second


def test_the_classifier_is_found_by_the_logits_output(network: Network) -> None:
    path, classifier = network
    assert (classifier_weights(onnx.load(path)) == classifier).all()


def _run(model: bytes, outputs: list[str], pixels: Floats) -> list[Floats]:
    session = open_session(model)
    results: list[Floats] = session.run(outputs, {"pixel_values": pixels})
    return results
