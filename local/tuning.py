"""Feedback and query adapters of a folder, or of a deployed system in S3.

A place is the derived store of either, with the model in use there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagesearch import bootstrap
from imagesearch.calibration.calibration_set import shipped_set
from imagesearch.calibration.relevance_fit import Backgrounds
from imagesearch.domain.storage_keys import FEEDBACK
from imagesearch.embedding.calibration import relevance
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.self_test.edits import PillowEditor
from imagesearch.embedding.self_test.onnx_model import OnnxModel
from imagesearch.learning.adapters import AdapterStore
from imagesearch.learning.opinions import Opinion, read_opinions
from imagesearch.learning.sample_vectors import sample_vectors
from imagesearch.learning.tuning import Tuned, tune
from imagesearch.search.relevance import Modality
from local.aws import aws_client, aws_errors_as_usage_errors, s3_location
from local.errors import UsageError
from local.models import model_folder, model_in_use
from local.workspace import selected_workspace

if TYPE_CHECKING:
    from imagesearch.domain.ports import DerivedStore


@dataclass(frozen=True)
class Place:
    """The derived store at `uri`, and the folder of the model in use."""

    uri: str
    store: DerivedStore
    model: Path

    @property
    def adapters(self) -> AdapterStore:
        return bootstrap.adapter_store(str(self.model), self.store)


def place_of(origin: str | None, folder: Path | None, data_dir: Path, model: str | None) -> Place:
    """The place of a folder, or of a derived-data bucket `origin`. Raises UsageError."""
    if origin:
        uri = str(s3_location(origin)).rstrip("/")
        if model is None:
            raise UsageError("name the model of the deployed system with --model")
        return Place(uri, bootstrap.derived_at(uri), model_folder(model, data_dir))
    workspace = selected_workspace(folder, data_dir)
    workspace.must_be_indexed()
    used = model_folder(model_in_use(model, workspace), workspace.directory.parent)
    uri = workspace.derived.as_uri()
    return Place(uri, bootstrap.derived_at(uri), used)


def stored_lines(place: Place) -> Iterator[str]:
    """The feedback records of a place, by day. Raises UsageError."""
    for key in feedback_keys(place.uri):
        data = place.store.get(key)
        if data is not None:
            yield data.decode(errors="replace")


def feedback_keys(uri: str) -> list[str]:
    """The keys of the feedback records in a derived store, by day. Raises UsageError."""
    if not uri.startswith("s3://"):
        folder = bootstrap.local_path(uri)
        return sorted(
            path.relative_to(folder).as_posix() for path in (folder / FEEDBACK).rglob("*.json")
        )
    location = s3_location(uri)
    start = location.key("")
    prefix = f"{start.rstrip('/')}/" if start else ""
    with aws_errors_as_usage_errors(f"cannot read {location}"):
        pages = aws_client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=location.bucket, Prefix=f"{prefix}{FEEDBACK}")
        return [
            entry["Key"].removeprefix(prefix)
            for page in found
            for entry in page.get("Contents", ())
        ]


def opinions_of(place: Place, lines: Iterable[str]) -> list[Opinion]:
    """The opinions among these records that belong to the model of the place."""
    manifest = load_manifest(place.model)
    return read_opinions(lines, manifest.name, manifest.image_space, manifest.dimension)


def tuned(place: Place, opinions: list[Opinion]) -> Tuned:
    """Fit an adapter for the place, and use it if it proves better.

    Raises UsageError for a model that is not calibrated, ConfigurationError, Unavailable.
    """
    manifest = bootstrap.manifest_of(str(place.model))
    backgrounds = _backgrounds(place.model)
    model = OnnxModel(place.model, manifest)
    try:
        image_queries = any(each.modality is Modality.IMAGE for each in opinions)
        vectors = sample_vectors(model, shipped_set(), PillowEditor(), image_queries=image_queries)
    finally:
        model.close()
    return tune(opinions, vectors, backgrounds, place.adapters, datetime.now(UTC))


def _backgrounds(folder: Path) -> Backgrounds:
    found = relevance(folder, bootstrap.manifest_of(str(folder)))
    if found is None:
        raise UsageError(f"{folder} is not calibrated: run `imagesearch models calibrate` first")
    return Backgrounds(
        found.background(Modality.TEXT).vectors, found.background(Modality.IMAGE).vectors
    )


def forgotten_keys(place: Place, before: str | None, user: str | None) -> Iterator[str]:
    """The keys of the records before a day, or of a user's pseudonym, of any model."""
    for key in feedback_keys(place.uri):
        if before is not None:
            day = "-".join(key.removeprefix(FEEDBACK).split("/")[:3])
            if day < before:
                yield key
        elif _user_of(place.store.get(key)) == user:
            yield key


def _user_of(data: bytes | None) -> str | None:
    try:
        user = json.loads(data or b"")["user"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(user)
