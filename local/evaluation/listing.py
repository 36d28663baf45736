"""The installed models and those of the catalog, with the facts that a choice depends on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from imagesearch.domain.errors import ImageSearchError
from imagesearch.embedding.calibration_file import refusal_of
from imagesearch.embedding.manifest import MULTILINGUAL, load_manifest
from imagesearch.embedding.model_catalog import CatalogEntry
from local.evaluation.latency import Latency
from local.models.installed import installed_models
from local.models.sources import catalog_entries

_MEGABYTE = 1_000_000
UNKNOWN = "–"


@dataclass(frozen=True)
class ListedModel:
    """A model; `folder` is None if it is not installed, and then `bytes` are its download.

    latency: None if it was not measured. problem: the reason why an installed model cannot be used.
    refusal: the reason why the self-test refused it, which must be accepted before it can be used.
    """

    name: str
    folder: Path | None
    bytes: int
    license: str
    languages: Sequence[str]
    published: str = ""
    good_for: str = ""
    latency: Latency | None = None
    problem: str = ""
    refusal: str = ""

    @property
    def state(self) -> str:
        if self.problem:
            return "damaged"
        if self.refusal:
            return "refused"
        return "installed" if self.folder else "available"

    @property
    def size(self) -> str:
        return f"{self.bytes / _MEGABYTE:,.0f} MB"


def listed_models(data_dir: Path) -> list[ListedModel]:
    """The installed models, then the others of the catalog."""
    catalog = {entry.name: entry for entry in catalog_entries()}
    installed = installed_models(data_dir)
    known = [_installed(name, folder, catalog.get(name)) for name, folder in installed.items()]
    others = [_available(entry) for name, entry in catalog.items() if name not in installed]
    return [*known, *others]


def with_latencies(
    models: Iterable[ListedModel], measure: Callable[[Path], Latency]
) -> list[ListedModel]:
    """The models with the latency of each installed one; one that fails is `damaged`."""
    return [_with_latency(model, measure) for model in models]


def _with_latency(model: ListedModel, measure: Callable[[Path], Latency]) -> ListedModel:
    if model.folder is None or model.problem:
        return model
    try:
        return replace(model, latency=measure(model.folder))
    except Exception as error:  # onnxruntime raises its own classes, straight from C++
        return replace(model, problem=problem_of(error))


def problem_of(error: Exception) -> str:
    """The reason why a model cannot be used, in one line."""
    text = error.message if isinstance(error, ImageSearchError) else str(error)
    return " ".join(text.split()) or type(error).__name__


def _installed(name: str, folder: Path, entry: CatalogEntry | None) -> ListedModel:
    published, good_for = (entry.published, entry.good_for) if entry else ("", "")
    try:
        manifest = load_manifest(folder)
        refusal = refusal_of(folder, manifest)
    except ImageSearchError as error:
        return ListedModel(name, folder, 0, "", (), published, good_for, problem=error.message)
    return ListedModel(
        name,
        folder,
        sum(file.bytes for file in manifest.files.values()),
        manifest.license,
        manifest.languages or (entry.languages if entry else ()),
        published,
        good_for or manifest.description,
        refusal=refusal,
    )


def _available(entry: CatalogEntry) -> ListedModel:
    return ListedModel(
        entry.name,
        None,
        entry.bytes,
        entry.license,
        entry.languages,
        entry.published,
        entry.good_for,
    )


def table_cells(model: ListedModel, *, measured: bool) -> list[str]:
    """The columns of a model for a terminal, where two lines of a cell save width."""
    name, state, size, languages, *times, license, published, good_for = cells(
        model, measured=measured
    )
    short = re.sub(r" \([^)]*\)", "", license)
    about = good_for if published == UNKNOWN else f"{good_for} ({published})"
    return [f"{name}\n{state}", size, languages, *times, short, about]


def as_json(model: ListedModel) -> dict[str, Any]:
    """The facts of a model, with `state` as the command shows it."""
    facts = asdict(model) | {"folder": model.folder and str(model.folder)}
    return facts | {"state": model.state}


def table_headings(*, measured: bool) -> list[str]:
    times = ["ms an\nimage", "ms a\ntext"] if measured else []
    return ["model", "size", "languages", *times, "license", "good for (published)"]


def cells(model: ListedModel, *, measured: bool) -> list[str]:
    """The columns of a model: name, state, size, languages, milliseconds an image and a text if
    `measured`, license, published quality, recommended use."""
    latencies = [model.latency.image_ms, model.latency.text_ms] if model.latency else []
    times = [f"{each:.1f}" for each in latencies] or [UNKNOWN, UNKNOWN]
    return [
        model.name,
        model.state,
        model.size if model.bytes else UNKNOWN,
        _languages(model.languages),
        *(times if measured else []),
        model.license or UNKNOWN,
        model.published or UNKNOWN,
        model.problem or model.refusal or model.good_for or UNKNOWN,
    ]


def _languages(languages: Sequence[str]) -> str:
    if MULTILINGUAL in languages:
        return "many"
    return ", ".join(languages) or UNKNOWN
