"""Runs the benchmarks of learning, and prints their tables as in docs/explanation/learning.md."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import product

import numpy as np

from benchmarks.learning import poisoning, session, shots, weeks
from benchmarks.learning.collections import CODES, JARGON, PRODUCT_NAMES, Bench, Collection
from benchmarks.report import describe, show_markdown
from benchmarks.workbench import STARTER_MODEL
from imagesearch.calibration.evidence import EDITS, CalibrationVectors, Edited
from imagesearch.calibration.relevance_fit import Backgrounds

# Of the phrases of each group, in sessions; all of them take an hour.
_SESSION_PHRASES = 3
_WRONG = 0.2


def show() -> None:
    """Print the tables: labels with examples, within a session, over weeks, and of poisoning."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    print(f"learning, starter model, {describe()}\n")
    with closing(Bench(STARTER_MODEL)) as bench:
        plain = bench.collection("the model's words", bench.sight.names)
        own = [
            bench.collection("product names", PRODUCT_NAMES),
            bench.collection("house jargon", JARGON),
            bench.collection("codes", CODES),
        ]
        _show_shots(bench)
        _show_sessions(bench, [plain, *own])
        _show_weeks(bench, own)
        _show_poisoning(bench, [plain, own[0]])


def _show_sessions(bench: Bench, collections: Sequence[Collection]) -> None:
    texts = [
        (f"text: {each.name}", opinions, session.text_sessions(bench.sight, _few(each), opinions))
        for each in collections
        for opinions in session.OPINIONS
    ]
    images = [
        ("image", opinions, session.image_sessions(bench.sight, opinions))
        for opinions in session.OPINIONS
    ]
    header = ("queries", "opinions", "MRR without", "MRR with", "R@10 without", "R@10 with")
    for parts in (texts, images):
        found = [each for _, _, sessions in parts for each in sessions]
        figures = session.grid_figures(found)
        groups = np.array([each.group for each in found])
        part = np.repeat(np.arange(len(parts)), [len(sessions) for _, _, sessions in parts])
        print(f"{parts[0][0].partition(':')[0]}: {session.fitted(figures, groups)}\n")
        rows = []
        for number, (name, opinions, _) in enumerate(parts):
            mrr, ten, mrr_after, ten_after = session.gains(figures, groups, part == number)
            cells = (f"{each:.2f}" for each in (mrr, mrr_after, ten, ten_after))
            rows.append((name, str(opinions), *cells))
        show_markdown(header, rows)


def _show_shots(bench: Bench) -> None:
    names, folder = bench.folders()
    group = bench.sight.group[: len(bench.set.photos)]
    labelings = [
        shots.Labeling("19 groups: the model's words", bench.sight.names, group),
        shots.Labeling("19 groups: product names", PRODUCT_NAMES, group),
        shots.Labeling("19 groups: house jargon", JARGON, group),
        shots.Labeling("4 folders: the model's words", names, folder),
        shots.Labeling("4 folders: product names", PRODUCT_NAMES[: len(names)], folder),
    ]
    header = ("labels", "examples of each", "zero-shot", "regression", "adopted", "as answered")
    found = shots.accuracies(bench.sight, bench.labels, labelings)
    show_markdown(
        header,
        [
            (
                each.labeling,
                str(each.shots),
                f"{each.zero_shot:.2f}",
                f"{each.regression:.2f}",
                f"{each.adopted} of {shots.DRAWS}",
                f"{each.served:.2f}",
            )
            for each in found
        ],
    )


def _few(collection: Collection) -> Collection:
    rows = np.flatnonzero(np.arange(len(collection.queries)) % 12 < _SESSION_PHRASES)
    return Collection(collection.name, collection.queries[rows], collection.wanted[rows])


def _show_weeks(bench: Bench, collections: Sequence[Collection]) -> None:
    header = ("collection", "opinions", "held out", "samples", "adopted", "queries never rated")
    show_markdown(header, _week_rows(bench, collections))


def _week_rows(bench: Bench, collections: Sequence[Collection]) -> Iterator[Sequence[str]]:
    sight, count = bench.sight, len(bench.set.photos)
    vectors, backgrounds = _calibration(bench)
    captions = Collection("captions of the photos", sight.captions, np.arange(count), True)
    wrong = f"{collections[0].name}, {_WRONG:.0%} wrong"
    runs = [(each.name, each, 0.0) for each in (*collections, captions)]
    for name, collection, share in (*runs, (wrong, collections[0], _WRONG)):
        for point in weeks.curve(sight, collection, vectors, backgrounds, share):
            found, test = point.found, point.found.held_out
            tested = f"{test.before:.2f} → {test.after:.2f} ({test.gain:+.2f} ± {test.margin:.2f})"
            change = 100 * (found.samples[1] - found.samples[0])
            few = "a liked image" in found.reason
            yield (
                name,
                f"{point.opinions:,}",
                "too few" if few else tested,
                "–" if few else f"{change:+.1f}",
                "yes" if found.map else "no",
                f"{point.unseen[0]:.2f} → {point.unseen[1]:.2f}",
            )


def _calibration(bench: Bench) -> tuple[CalibrationVectors, Backgrounds]:
    sight, count = bench.sight, len(bench.set.photos)
    edits = {
        name: Edited.every(sight.images[(number + 1) * count : (number + 2) * count])
        for number, name in enumerate(EDITS)
    }
    backgrounds = Backgrounds.of_rows(
        np.load(STARTER_MODEL / "background-labels.npy"),
        np.load(STARTER_MODEL / "background-photos.npy"),
    )
    vectors = CalibrationVectors(
        sight.captions,
        sight.images[:count],
        edits,
        {},
        backgrounds.labels,
        bench.set.kind_names,
    )
    return vectors, backgrounds


def _show_poisoning(bench: Bench, collections: Sequence[Collection]) -> None:
    header = ("collection", "honest users", "attack", "untuned", "honest", "attacked", "adopted")
    show_markdown(header, _poisoning_rows(bench, collections))


def _poisoning_rows(bench: Bench, collections: Sequence[Collection]) -> Iterator[Sequence[str]]:
    calibration = _calibration(bench)
    for collection, users in product(collections, poisoning.HONEST):
        scene = poisoning.scene(bench.sight, collection, users, poisoning.SIZE)
        for attack, result in poisoning.results(scene, *calibration):
            figures = (result.untuned, result.honest, result.attacked)
            yield (
                collection.name,
                str(users),
                attack,
                *(f"{each:.2f}" for each in figures),
                "yes" if result.found.map else "no",
            )
