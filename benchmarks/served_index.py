"""`imagesearch serve` in a process of its own, over an index of synthetic records."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil

from benchmarks.indexes.synthetic_images import document
from benchmarks.workbench import SAMPLES, STARTER_MODEL
from imagesearch import bootstrap
from imagesearch.domain.images import Document, ImageRef
from imagesearch.domain.ports import Put
from local.lambda_runtime import settings_of
from local.workspace import Workspace, workspace_of

WRITE_SIZE = 2_000


def _camera(made: Document, _: int) -> Mapping[str, str]:
    return made.exif


@contextmanager
def served(workspace: Workspace, *options: str) -> Iterator[tuple[str, psutil.Process]]:
    """The address and the process of a server that has compared the folder with its index."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("imagesearch"),
        "serve",
        workspace.folder,
        *options,
    ]
    command += ["--port", "0", "--data-dir", workspace.directory.parent, "--model", STARTER_MODEL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            ready = process.stdout.readline() if process.stdout else ""
            if not ready:
                sys.exit("imagesearch serve did not start")
            yield urlsplit(ready.split()[-1]).netloc, psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def indexed_folder(
    root: Path, images: int, metadata: Callable[[Document, int], Mapping[str, str]] = _camera
) -> Workspace:
    """A folder of small files, and the index that `serve` would make of them.

    Vectors are random, records synthetic with this metadata, as if the files had it.
    """
    photos = root / "photos"
    photos.mkdir()
    content = min((each.stat().st_size, each) for each in SAMPLES.rglob("*.webp"))[1].read_bytes()
    workspace = workspace_of(photos, root / "data")
    settings = settings_of(workspace, STARTER_MODEL)
    model, index = bootstrap.manifest_of(settings.model_uri), bootstrap.vector_index(settings)
    decoder = bootstrap.image_encoder(settings.model_uri).decoder
    vectors = np.random.default_rng(7).standard_normal((images, model.dimension), np.float32)
    for start in range(0, images, WRITE_SIZE):
        puts = []
        for number in range(start, min(start + WRITE_SIZE, images)):
            (photos / f"{number:08}.webp").write_bytes(content)
            ref = ImageRef(settings.bucket, f"{number:08}.webp")
            state = bootstrap.image_store(settings).head(ref)
            assert state
            made = document(number)
            record = replace(
                made,
                ref=ref,
                etag=state.etag,
                last_modified=state.last_modified,
                size=state.size,
                decoder=decoder,
                metadata=metadata(made, number),
                exif=metadata(made, number),
            )
            puts.append(Put(record, vectors[number], None))
        index.write(puts)
    bootstrap.release(settings)
    return workspace
