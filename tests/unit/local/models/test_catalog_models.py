"""Claims: both kinds of model that the catalog adds to CLIP are pulled, quantized and compared.

The graphs have the operators, names, sizes and lengths of the real ones and memorize some of the
sample photos, so that the whole self-test accepts them.
"""

import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from rich.console import Console

from imagesearch.calibration.calibration_set import MIN_PHOTOS, CalibrationSet, shipped_set
from imagesearch.domain.errors import ConfigurationError, ImageSearchError, ModelRefused
from imagesearch.domain.images import Embedding, EncodedImage
from imagesearch.embedding.calibration_file import CALIBRATION, read_calibration
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import Quantized, load_manifest
from imagesearch.embedding.model_catalog import CatalogEntry, catalog_entry
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from local.commands.models import compare, pull_model
from local.errors import UsageError
from local.evaluation.comparison import ComparedModel, cells, compared, verdict
from local.models.installed import CACHE, check_files
from local.models.puller import FLOAT32, Puller
from local.models.verification import verify_model
from tests.support.models.memorizing_models import float32_files, served, unsigned_int8_files
from tests.support.servers.file_server import FileServer

pytestmark = pytest.mark.slow

OPENCLIP, SIGLIP = "clip-vit-b-32-datacomp", "siglip2-b-16"
FILES = {"image.onnx", "text.onnx", "tokenizer.json"}


@pytest.fixture(scope="module")
def photos() -> CalibrationSet:
    """The least number of photos, and few labels: the self-test of all takes most of a minute."""
    every = shipped_set()
    columns = (every.photos, every.captions, every.kinds)
    fewer = every.with_photos("samples.tsv", *(column[::3][:MIN_PHOTOS] for column in columns))
    return replace(fewer, labels=every.labels[::20])


@pytest.fixture(scope="module")
def hub() -> Iterator[FileServer]:
    server = FileServer()
    with server.running():
        yield server


@pytest.fixture(scope="module")
def openclip(hub: FileServer, photos: CalibrationSet) -> CatalogEntry:
    entry = catalog_entry(OPENCLIP)
    return served(entry, float32_files(entry, photos), hub)


@pytest.fixture(scope="module")
def siglip(hub: FileServer, photos: CalibrationSet) -> CatalogEntry:
    entry = catalog_entry(SIGLIP)
    return served(entry, unsigned_int8_files(entry, photos), hub)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv(CACHE, str(folder))
        yield folder / "models"


@pytest.fixture(scope="module")
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="module")
def pulled(openclip: CatalogEntry, cache: Path, console: Console, photos: CalibrationSet) -> Path:
    return pull_model(OPENCLIP, console, photos=photos, catalog=lambda _: openclip)


def puller(cache: Path, *, signed_is_fast: bool = True) -> Puller:
    return Puller(cache, signed_is_fast=lambda: signed_is_fast, pause=lambda _: None)


def test_a_float32_model_is_quantized_when_it_is_pulled(
    pulled: Path, openclip: CatalogEntry, console: Console
) -> None:
    manifest = check_files(pulled)
    for name in openclip.graphs:
        pin, entry = openclip.pins[name], manifest.files[name]
        assert entry.quantized == Quantized(sha256=pin.sha256, method="rows")
        assert entry.bytes < pin.bytes / 2
    assert manifest.files["tokenizer.json"].sha256 == openclip.pins["tokenizer.json"].sha256
    assert console.file.getvalue().count(" to int8\n") == 2  # type: ignore[attr-defined]


def test_it_is_compared_with_float32_and_calibrated_and_float32_is_deleted(
    pulled: Path, cache: Path, photos: CalibrationSet
) -> None:
    found = read_calibration(pulled, load_manifest(pulled))
    assert found
    assert found.relevance
    assert found.figures["test"]["found_first"] == len(photos.photos)
    assert found.figures["parity"]["image_cosine_to_float32"]["worst"] > 0.999
    assert found.figures["parity"]["text_cosine_to_float32"]["worst"] > 0.999
    assert not (pulled / FLOAT32).exists()
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [OPENCLIP]
    assert verify_model(OPENCLIP, cache) == pulled


def test_a_second_pull_downloads_and_quantizes_nothing(
    pulled: Path, openclip: CatalogEntry, hub: FileServer, photos: CalibrationSet
) -> None:
    requests, written = len(hub.requests), (pulled / "image.onnx").stat().st_mtime_ns
    quiet = Console(file=io.StringIO())
    assert pull_model(OPENCLIP, quiet, photos=photos, catalog=lambda _: openclip) == pulled
    assert len(hub.requests) == requests
    assert (pulled / "image.onnx").stat().st_mtime_ns == written


def test_a_refused_model_keeps_its_float32_files_for_the_next_attempt(
    openclip: CatalogEntry, hub: FileServer, tmp_path: Path
) -> None:
    def refuse(folder: Path) -> None:
        assert {path.name for path in (folder / FLOAT32).iterdir()} == {*FILES, "manifest.json"}
        raise ModelRefused("it is inaccurate")

    with pytest.raises(ModelRefused):
        Puller(tmp_path, self_test=refuse).pull(openclip)
    assert not (tmp_path / OPENCLIP).exists()
    requests = len(hub.requests)
    assert check_files(puller(tmp_path).pull(openclip))
    assert len(hub.requests) == requests


def test_an_interrupted_download_of_float32_resumes(
    openclip: CatalogEntry, hub: FileServer, tmp_path: Path
) -> None:
    hub.requests.clear()
    hub.statuses = [200, 403]
    with pytest.raises(ImageSearchError, match="403"):
        puller(tmp_path).pull(openclip)
    assert check_files(puller(tmp_path).pull(openclip))
    assert [path for path, _ in hub.requests].count(f"/{OPENCLIP}/image.onnx") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no graph", "cannot be read"),
        (onnx.ModelProto(ir_version=9).SerializeToString(), "no large float32"),
    ],
)
def test_a_graph_that_cannot_be_quantized_is_reported(
    content: bytes, message: str, openclip: CatalogEntry, hub: FileServer, tmp_path: Path
) -> None:
    files = {name: hub.files[f"/{OPENCLIP}/{name}"] for name in FILES} | {"text.onnx": content}
    other = FileServer()
    with other.running(), pytest.raises(ConfigurationError, match=message):
        puller(tmp_path).pull(served(openclip, files, other))


def test_without_onnx_nothing_is_downloaded_and_the_pip_command_is_stated(
    openclip: CatalogEntry, hub: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    requests = len(hub.requests)
    with pytest.raises(UsageError, match=r"pip install --require-hashes .*quantize\.txt`"):
        puller(tmp_path).pull(openclip)
    assert len(hub.requests) == requests


def vectors(folder: Path, photos: CalibrationSet) -> Embedding:
    """The vectors of ten photos and ten captions."""
    manifest = load_manifest(folder)
    images = OnnxImageEncoder(folder, manifest)
    try:
        found = images.encode_images(photos.photos[:10])
    finally:
        images.close()
    texts = OnnxTextEncoder(folder, manifest).encode_texts(photos.captions[:10])
    return np.stack([*(each.embedding for each in found if isinstance(each, EncodedImage)), *texts])


def test_signed_weights_give_the_vectors_of_the_unsigned_ones(
    siglip: CatalogEntry, photos: CalibrationSet, tmp_path: Path
) -> None:
    unsigned = puller(tmp_path / "unsigned", signed_is_fast=False).pull(siglip)
    signed = puller(tmp_path / "signed").pull(siglip)
    types = {
        node.op_type: initializers[node.input[1]]
        for graph in ("image.onnx", "text.onnx")
        for model in [onnx.load(signed / graph).graph]
        for initializers in [{each.name: each.data_type for each in model.initializer}]
        for node in model.node
        if node.op_type.endswith("Integer")
    }
    # The runtime has no fast kernel for signed weights of convolutions.
    assert types == {"ConvInteger": TensorProto.UINT8, "MatMulInteger": TensorProto.INT8}
    assert np.array_equal(vectors(signed, photos), vectors(unsigned, photos))


@pytest.fixture(scope="module")
def rows(
    pulled: Path,
    siglip: CatalogEntry,
    photos: CalibrationSet,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[ComparedModel]:
    untested = puller(tmp_path_factory.mktemp("untested")).pull(siglip)
    before = {path: path.stat().st_mtime_ns for path in untested.iterdir()}
    folders = {"damaged": untested.parent, SIGLIP: untested, OPENCLIP: pulled}
    found = list(compared(folders, photos))
    assert {path: path.stat().st_mtime_ns for path in untested.iterdir()} == before
    assert not (untested / CALIBRATION).exists()
    return found


def test_models_are_compared_on_the_same_photos_without_writing(
    rows: list[ComparedModel], pulled: Path, photos: CalibrationSet
) -> None:
    damaged, siglip, openclip = rows
    recorded = read_calibration(pulled, load_manifest(pulled))
    assert recorded
    assert openclip.figures == recorded.figures
    for row in (siglip, openclip):
        assert row.found_first == len(photos.photos)
        name, *numbers, remark = cells(row)
        assert (name, remark, len(numbers)) == (row.name, "", 9)
        assert all(float(number) >= 0 for number in numbers)
    assert "manifest.json" in damaged.problem
    assert set(cells(damaged)[1:-1]) == {"–"}


def test_the_verdict_names_the_model_with_the_best_recall(
    rows: list[ComparedModel], photos: CalibrationSet
) -> None:
    _, siglip, openclip = rows
    assert siglip.figures
    test = {"found_first": 20, "text_to_image": {"R@1": 69.0, "R@5": 100.0, "R@10": 100.0}}
    worse = replace(siglip, figures=dict(siglip.figures) | {"test": test})
    refused = replace(openclip, name="other", problem="it is inaccurate")
    line = verdict([worse, refused, openclip], photos)
    assert line == (
        f"{OPENCLIP} fits best: it finds the right photo first for 24 of 24 captions ({SIGLIP}: 20)"
    )
    tie = verdict([siglip, openclip], photos)
    assert "captions, and is the fastest of those with this recall (" in tie


def test_the_command_prints_a_failed_model_with_its_reason(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{}")
    console = Console(file=io.StringIO(), width=200)
    assert compare([str(damaged)], None, tmp_path, console)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{damaged}\t–\t")
    assert "manifest.json" in line
    assert "every model failed" in console.file.getvalue()  # type: ignore[attr-defined]
