"""Claims about `make verify-clip`, with small models on a local server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagesearch.embedding.manifest import MANIFEST
from imagesearch.embedding.model_catalog import CatalogEntry, Pin
from models.clip.build_random import build
from models.clip.verify import ORIGINAL, SHIPPED, main
from models.quantization.quantize import main as quantize
from tests.support.servers.file_server import FileServer
from tests.unit.models.conftest import SMALL_CLIP

pytestmark = pytest.mark.slow

Verify = Callable[[], int]


@pytest.fixture
def hub() -> Iterator[FileServer]:
    with FileServer().running() as made:
        yield made


@pytest.fixture
def models() -> dict[str, CatalogEntry]:
    return {}


@pytest.fixture
def offer(hub: FileServer, models: dict[str, CatalogEntry]) -> Callable[[str, Path], None]:
    """Adds the files of a folder to the hub and the catalog."""

    def offer(name: str, folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8")) | {"name": name}
        files = manifest.pop("files")
        del manifest["text"]["image_space"]
        pins = {}
        for file in files:
            data = hub.files[f"/{name}/{file}"] = (folder / file).read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            pins[file] = Pin(url=f"{hub.url}/{name}/{file}", bytes=len(data), sha256=sha256)
        models[name] = CatalogEntry(manifest=manifest, pins=pins, evidence=["this test"])

    return offer


@pytest.fixture
def verify(models: dict[str, CatalogEntry], few_samples: Path, tmp_path: Path) -> Verify:
    arguments = ["--samples", str(few_samples), "--cache", str(tmp_path / "cache")]
    return lambda: main(arguments, models.__getitem__)


@pytest.fixture
def halved(small_clip: Path, tmp_path: Path) -> Path:
    out = tmp_path / "halved"
    arguments = ["--image", "half", "--text", "half", "--out", str(out)]
    assert quantize([str(small_clip), *arguments]) == 0
    return out


def test_the_figures_are_printed_with_the_published_ones(
    offer: Callable[[str, Path], None],
    verify: Verify,
    small_clip: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer(SHIPPED, small_clip)
    offer(ORIGINAL, small_clip)
    assert verify() == 0
    printed = capsys.readouterr().out.splitlines()
    rows = {line.split(" | ")[0].strip("| "): line for line in printed if line.startswith("|")}
    own = rows[f"{SHIPPED}, 16 samples"].split(" | ")[1:]
    assert own == rows[f"{ORIGINAL}, 16 samples"].split(" | ")[1:]
    assert rows["published, float32, Flickr30k, 1,000 photos"].endswith("| 58.8 | 83.6 | 90.0 |")
    assert rows["cosine, median / worst"].endswith("| 1.0 / 1.0 | 1.0 / 1.0 |")
    assert "63.3 %" in printed[-1]


def test_downloaded_files_are_not_downloaded_again(
    offer: Callable[[str, Path], None],
    verify: Verify,
    halved: Path,
    small_clip: Path,
    hub: FileServer,
) -> None:
    offer(SHIPPED, halved)
    offer(ORIGINAL, small_clip)
    verify()
    requested = len(hub.requests)
    verify()
    assert len(hub.requests) == requested == 6


def test_a_model_too_far_from_float32_is_rejected_with_every_reason(
    offer: Callable[[str, Path], None],
    verify: Verify,
    other_clip: Path,
    small_clip: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer(SHIPPED, other_clip)
    offer(ORIGINAL, small_clip)
    assert verify() == 1
    printed = capsys.readouterr()
    assert "published" in printed.out
    assert "image graph: worst cosine to float32" in printed.err
    assert "text graph: worst cosine to float32" in printed.err


@pytest.fixture
def other_clip(small_clip: Path, tmp_path: Path) -> Path:
    """A CLIP of the same shape with other weights."""
    build(SMALL_CLIP, small_clip / "tokenizer.json", tmp_path / "other", seed=4)
    return tmp_path / "other"


def test_missing_files_without_a_hub_are_reported(
    offer: Callable[[str, Path], None],
    verify: Verify,
    small_clip: Path,
    hub: FileServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    offer(SHIPPED, small_clip)
    offer(ORIGINAL, small_clip)
    hub.files.clear()
    assert verify() == 2
    assert "does not exist (status 404)" in capsys.readouterr().err
