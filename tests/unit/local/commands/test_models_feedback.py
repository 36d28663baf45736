"""`imagesearch models compare --feedback` ranks the stored opinions by another model."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from imagesearch import bootstrap
from imagesearch.domain.images import ImageRef
from imagesearch.domain.storage_keys import feedback_key
from imagesearch.embedding.manifest import load_manifest
from local.lambda_runtime import settings_of
from local.workspace import workspace_of
from tests.support.paths import SAMPLES, STARTER_MODEL

pytestmark = pytest.mark.slow


def test_opinions_are_ranked_by_a_model_that_has_indexed_nothing(run, folder: Path, tmp_path: Path):
    files = sorted(SAMPLES.glob("*/*.webp"))[:4]
    for file in files:
        shutil.copy(file, folder)
    shutil.copytree(STARTER_MODEL, other := tmp_path / "other")
    assert run("index", str(folder)).returncode == 0
    workspace = workspace_of(folder, tmp_path / ".imagesearch")
    give(workspace, [file.name for file in files])
    done = run("models", "compare", str(other), "--feedback", "--folder", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    [row] = map(json.loads, done.stdout.splitlines())
    assert row["mrr"] == pytest.approx(row["mrr_in_use"], abs=0.01)
    assert (row["queries"], row["margin"]) == (3, pytest.approx(0, abs=0.01))
    assert "at least 10 are needed" in row["result"]
    assert "9 opinions, 4 images, in use: starter; 3 opinions left out" in done.stderr
    refused = run("models", "compare", "starter", "--feedback", "--folder", str(folder))
    assert (refused.returncode, "name a model other than starter" in refused.stderr) == (2, True)


def give(workspace, names: list[str]) -> None:
    """Opinions on two stored texts, on an indexed image, and on a text that was not stored."""
    settings = settings_of(workspace, STARTER_MODEL)
    manifest = load_manifest(STARTER_MODEL)
    ids = [ImageRef(workspace.folder.as_uri(), name).id for name in names]
    images = bootstrap.vector_index(settings).embeddings(ids)
    texts = bootstrap.text_encoder(settings.model_uri)
    derived = bootstrap.derived_store(settings)
    for query in ("a bird", "a cat", ids[3], "not stored"):
        image = images.get(query)
        vector = texts.encode_texts([query])[0] if image is None else image
        stored = {"query_text": query} if image is None and query != "not stored" else {}
        for id in ids[:3]:
            record = stored | {
                "time": "2026-01-01T00:00:00+00:00",
                "model": manifest.name,
                "image_space": manifest.image_space,
                "query": "text" if image is None else "id",
                "query_embedding": [round(float(x), 6) for x in vector],
                "image": id,
                "image_embedding": [round(float(x), 6) for x in images[id]],
                "relevant": id == ids[0],
            }
            key = feedback_key(date(2026, 1, 1), f"{query[:8]}-{id}")
            derived.put(key, json.dumps(record).encode(), "application/json")
    bootstrap.release(settings)
