"""Replays the feedback of an indexed folder against other models, from its files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesearch import bootstrap
from imagesearch.domain.errors import InvalidQuery, ObjectChanged, UnreadableObject
from imagesearch.domain.images import Embedding, EncodedImage, ImageRef
from imagesearch.domain.ports import ImageEncoder, ImageStore, TextEncoder, VectorIndex
from imagesearch.domain.queries import VectorQuery
from imagesearch.learning.opinions import Opinion
from imagesearch.learning.replay import Replay, Replayed, Source, replay
from imagesearch.learning.validation import MIN_QUERIES
from imagesearch.search.relevance import Modality
from local.errors import UsageError
from local.lambda_runtime import settings_of
from local.models import installed_models, model_folder, model_in_use
from local.tuning import place_of
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
        parts = [f"{self.opinions:,} opinions, {self.images:,} images, in use: {self.in_use}"]
        if self.left_out:
            parts.append(
                f"{self.left_out:,} opinions left out: their query is a text that was not stored"
                " (see --feedback-texts), or an image that is not indexed"
            )
        return "; ".join(parts)


def replayed(names: Sequence[str], folder: Path | None, data_dir: Path) -> Comparison:
    """Compare models, by default all installed ones, with the one in use. Raises UsageError."""
    workspace = selected_workspace(folder, data_dir)
    place = place_of(None, workspace.folder, data_dir, None)
    in_use = model_in_use(None, workspace)
    chosen = {name: model_folder(name, data_dir) for name in dict.fromkeys(names)}
    folders = chosen or installed_models(data_dir)
    others = {name: each for name, each in folders.items() if each != place.model}
    if not others:
        raise UsageError(f"name a model other than {in_use}, which is in use")
    settings = settings_of(workspace, place.model)
    opinions = place.tuner.opinions()
    index = bootstrap.vector_index(settings)
    repeatable = _repeatable(opinions, index)
    refs = _refs(index, repeatable.images)
    store = bootstrap.image_store(settings)
    rows = [
        Row(name, _replayed(repeatable, store, refs, str(each))) for name, each in others.items()
    ]
    left_out = len(opinions) - len(repeatable.opinions)
    return Comparison(in_use, len(repeatable.opinions), left_out, len(refs), rows)


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
