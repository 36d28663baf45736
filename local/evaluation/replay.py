"""Replays the feedback of a folder or of a deployed system against other models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesearch import bootstrap
from imagesearch.domain.counts import counted
from imagesearch.domain.errors import InvalidQuery, ObjectChanged, UnreadableObject
from imagesearch.domain.images import Embedding, EncodedImage, ImageRef
from imagesearch.domain.ports import ImageEncoder, ImageStore, TextEncoder, VectorIndex
from imagesearch.domain.queries import VectorQuery
from imagesearch.embedding.calibration_file import model_digest
from imagesearch.embedding.manifest import Manifest
from imagesearch.learning.opinions import Opinion, read_opinions
from imagesearch.learning.replay import Replay, Replayed, Source, replay
from imagesearch.learning.tuner import stored_lines
from imagesearch.learning.validation import MIN_QUERIES
from imagesearch.search.relevance import Modality
from imagesearch.settings import Settings
from local.errors import UsageError
from local.lambda_runtime import settings_of
from local.models.choice import model_in_use
from local.models.installed import installed_models, model_folder
from local.workspace import selected_workspace

HEADINGS = ("model", "queries", "MRR in use", "MRR", "gain", "result")
# The same image, but for the rounding of stored vectors.
_SAME = 0.9995
_BATCH = 16


@dataclass(frozen=True)
class Row:
    model: str
    result: Replayed


@dataclass(frozen=True)
class Comparison:
    """A row for each other model; `left_out` opinions are on queries that cannot be repeated."""

    in_use: str
    opinions: int
    left_out: int
    images: int
    rows: Sequence[Row]

    def summary(self) -> str:
        parts = [
            f"{counted(self.opinions, 'opinion')}, {counted(self.images, 'image')},"
            f" in use: {self.in_use}"
        ]
        if self.left_out:
            parts.append(
                f"{counted(self.left_out, 'opinion')} left out: their query is a text that was"
                " not stored (see --feedback-texts), or an image that is not indexed"
            )
        return "; ".join(parts)


def replayed(names: Sequence[str], settings: Settings, data_dir: Path) -> Comparison:
    """Compare models, by default all installed ones, with the one in use. Raises UsageError."""
    in_use = bootstrap.manifest_of(settings.model_uri)
    others = _other_models(names, settings.model_uri, in_use, data_dir)
    derived = bootstrap.derived_store(settings)
    lines = stored_lines(derived) if derived else ()
    opinions = read_opinions(lines, in_use.name, in_use.image_space, in_use.dimension)
    index = bootstrap.vector_index(settings)
    repeatable = _repeatable(opinions, index)
    refs = _refs(index, repeatable.images)
    store = bootstrap.image_store(settings)
    rows = [
        Row(name, _replayed(repeatable, store, refs, str(each))) for name, each in others.items()
    ]
    left_out = len(opinions) - len(repeatable.opinions)
    return Comparison(in_use.name, len(repeatable.opinions), left_out, len(refs), rows)


def rated_settings(
    folder: Path | None,
    origin: str | None,
    stack: str,
    index_url: str | None,
    model: str | None,
    data_dir: Path,
    clients: Any = None,
) -> Settings:
    """The settings of a folder, or of the stack with a derived-data bucket. Raises UsageError."""
    from local.aws.clients import s3_location
    from local.aws.deployment import read_deployment

    if not origin:
        return _settings_of_folder(folder, data_dir)
    location = s3_location(origin)
    if location.prefix:
        raise UsageError(f"--from names a whole bucket: write s3://{location.bucket}")
    deployed = read_deployment(
        stack, index_url, model, data_dir, clients, DerivedBucketName=location.bucket
    )
    return deployed.settings


def _settings_of_folder(folder: Path | None, data_dir: Path) -> Settings:
    """The settings of an indexed folder with the model in use. Raises UsageError."""
    workspace = selected_workspace(folder, data_dir)
    workspace.must_be_indexed()
    model = model_folder(model_in_use(None, workspace), workspace.directory.parent)
    return settings_of(workspace, model)


def _other_models(
    names: Sequence[str], used_uri: str, in_use: Manifest, data_dir: Path
) -> dict[str, Path]:
    """The folders of these models, or of all installed ones, without the one in use.

    An installed copy of a deployed model has its digest.
    """
    if names:
        chosen = {name: model_folder(name, data_dir) for name in dict.fromkeys(names)}
        others = {name: each for name, each in chosen.items() if str(each) != used_uri}
    else:
        used = model_digest(in_use)
        others = {
            name: each
            for name, each in installed_models(data_dir).items()
            if model_digest(bootstrap.manifest_of(str(each))) != used
        }
    if not others:
        raise UsageError(f"name a model other than {in_use.name}, which is in use")
    return others


def cells(row: Row) -> list[str]:
    found = row.result
    if found.queries < MIN_QUERIES:
        return [row.model, f"{found.queries:,}", "–", "–", "–", found.verdict]
    figures = (
        f"{found.before:.2f}",
        f"{found.after:.2f}",
        f"{found.gain:+.2f} ± {found.margin:.2f}",
    )
    return [row.model, f"{found.queries:,}", *figures, found.verdict]


def as_fields(row: Row) -> dict[str, Any]:
    found = row.result
    return {
        "model": row.model,
        "queries": found.queries,
        "mrr_in_use": round(found.before, 4),
        "mrr": round(found.after, 4),
        # Infinite for a single query, which JSON cannot state.
        "margin": round(found.margin, 4) if found.queries > 1 else None,
        "result": found.verdict,
    }


def _repeatable(opinions: Sequence[Opinion], index: VectorIndex) -> Replay:
    sources: dict[bytes, Source | None] = {}
    kept = []
    for opinion in opinions:
        key = opinion.query.tobytes()
        if opinion.modality is Modality.IMAGE and key not in sources:
            nearest = index.search(VectorQuery(opinion.query, 1, min_score=_SAME))
            sources[key] = (Modality.IMAGE, nearest[0].document.ref.id) if nearest else None
        source = (Modality.TEXT, opinion.text) if opinion.text else sources.get(key)
        if source:
            kept.append((opinion, source))
    return Replay([each for each, _ in kept], [source for _, source in kept])


def _refs(index: VectorIndex, ids: Sequence[str]) -> list[ImageRef]:
    stored = index.get(ids).values()
    return [each.document.ref for each in stored if each.document]


def _replayed(
    opinions: Replay, store: ImageStore, refs: Sequence[ImageRef], model_uri: str
) -> Replayed:
    texts = bootstrap.text_encoder(model_uri)
    images = bootstrap.image_encoder(model_uri)
    try:
        vectors = dict(_embedded_images(images, store, refs))
    finally:
        images.close()
    return replay(opinions, dict(_embedded_texts(texts, opinions.texts)), vectors)


def _embedded_texts(encoder: TextEncoder, texts: Sequence[str]) -> Iterator[tuple[str, Embedding]]:
    """Texts that the model cannot embed are omitted."""
    for text in texts:
        with suppress(InvalidQuery):
            yield text, encoder.encode_texts([text])[0]


def _embedded_images(
    encoder: ImageEncoder, store: ImageStore, refs: Sequence[ImageRef]
) -> Iterator[tuple[str, Embedding]]:
    """Files that are gone or that cannot be decoded are omitted."""
    for start in range(0, len(refs), _BATCH):
        files = dict(_read(store, refs[start : start + _BATCH]))
        found = encoder.encode_images(list(files.values()))
        for id, image in zip(files, found, strict=True):
            if isinstance(image, EncodedImage):
                yield id, image.embedding


def _read(store: ImageStore, refs: Sequence[ImageRef]) -> Iterator[tuple[str, bytes]]:
    for ref in refs:
        with suppress(ObjectChanged, UnreadableObject):
            if state := store.head(ref):
                yield ref.id, store.read(ref, state)
