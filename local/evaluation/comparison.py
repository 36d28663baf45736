"""Compares models on the same photos and captions; no model folder is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesearch.calibration.calibration_set import CalibrationSet
from imagesearch.embedding.self_test.run import current_result, figures_of, outcome_of
from local.evaluation.latency import Latency, latency_of
from local.evaluation.listing import UNKNOWN, problem_of

_CUTS = ("R@1", "R@5", "R@10")
HEADINGS = (
    "model",
    *_CUTS,
    "edited\nR@1",
    "captions\nkept",
    "wrong\nkept",
    "nonsense\nfound",
    "ms an\nimage",
    "ms a\ntext",
    "remark",
)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ComparedModel:
    """The figures of a model, see `CalibrationFile`, and its latency; `problem` if it failed."""

    name: str
    figures: Mapping[str, Any] | None = None
    latency: Latency | None = None
    problem: str = ""

    @property
    def found_first(self) -> int:
        return int(self.figures["test"]["found_first"]) if self.figures else 0

    @property
    def recalls(self) -> tuple[float, ...]:
        found = self.figures["test"]["text_to_image"] if self.figures else {}
        return tuple(found.get(cut, 0.0) for cut in _CUTS)

    @property
    def fitness(self) -> tuple[float, ...]:
        """The recalls and, between equal ones, the speed; larger is better."""
        return (*self.recalls, -self.latency.image_ms if self.latency else 0.0)


def _no_progress(_: str) -> AbstractContextManager[Progress]:
    return nullcontext(lambda _, __: None)


def compared(
    folders: Mapping[str, Path],
    photos: CalibrationSet,
    progress: Callable[[str], AbstractContextManager[Progress]] = _no_progress,
) -> Iterator[ComparedModel]:
    """The models, by name, with the recorded figures of these photos or those of a new test.

    `progress` shows the progress of the test of one model. A model that fails is yielded with its
    problem.
    """
    for name, folder in folders.items():
        with progress(name) as report:
            yield _result(name, folder, photos, report)


def _result(name: str, folder: Path, photos: CalibrationSet, progress: Progress) -> ComparedModel:
    try:
        return _compared(name, folder, photos, progress)
    except Exception as error:  # onnxruntime raises its own classes, straight from C++
        return ComparedModel(name, problem=problem_of(error))


def _compared(name: str, folder: Path, photos: CalibrationSet, progress: Progress) -> ComparedModel:
    recorded = current_result(folder, photos)
    if recorded:
        figures, refusal = recorded.figures, recorded.refusal
    else:
        outcome = outcome_of(folder, photos, progress=progress)
        figures, refusal = figures_of(outcome), outcome.refusal
    return ComparedModel(name, figures, latency_of(folder, photos.photos, photos.captions), refusal)


def cells(model: ComparedModel) -> list[str]:
    """The columns of a model as text: shares in percent, wrong photos as a number per query."""
    figures = model.figures or {}
    test, relevance = figures.get("test", {}), figures.get("relevance", {})
    held_out = relevance.get("held_out", {})
    nonsense = relevance.get("nonsense_queries_let_through")
    latency = (model.latency.image_ms, model.latency.text_ms) if model.latency else (None, None)
    return [
        model.name,
        *(_number(test.get("text_to_image", {}).get(cut)) for cut in _CUTS),
        _number(test.get("edit_to_original")),
        _number(held_out.get("text_kept")),
        _number(held_out.get("text_let_through")),
        _number(None if nonsense is None else 100 * nonsense),
        *map(_number, latency),
        model.problem,
    ]


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"


def verdict(models: Iterable[ComparedModel], photos: CalibrationSet) -> str:
    """One sentence that names the model with the best recall and the next one."""
    usable = sorted(
        (model for model in models if not model.problem),
        key=lambda each: each.fitness,
        reverse=True,
    )
    if not usable:
        return "no model fits: every model failed"
    best, others = usable[0], usable[1:]
    line = (
        f"{best.name} fits best: it finds the right photo first for {best.found_first} of"
        f" {len(photos.photos)} captions"
    )
    if not others:
        return line
    tied = ", and is the fastest of those with this recall"
    counts = ", ".join(f"{model.name}: {model.found_first}" for model in others)
    return f"{line}{tied if best.recalls == others[0].recalls else ''} ({counts})"
