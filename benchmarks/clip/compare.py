"""The CLIP benchmark: speed and cost of CLIP ViT-B/32 compared with other libraries.

Prints the tables of docs/explanation/clip-speed.md. Costs are computed from measured seconds and
list prices (us-east-1, see docs/explanation/cost.md).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import functions
from benchmarks.clip import hardware, operators, pipeline
from benchmarks.clip.inputs import LARGE, SMALL, ClipFolders, clip_folders, clip_photos
from benchmarks.clip.runner import (
    OURS,
    PEERS,
    PULLED,
    REST_SECONDS,
    STATIC,
    Times,
    Worker,
    contestants,
    in_turns,
    ours,
)
from benchmarks.costs.prices import usd
from benchmarks.report import Row, describe, show_markdown
from benchmarks.report import show as show_rows
from imagesearch.calibration.parity import cosines

USD = usd()
GB_SECOND = USD["lambda_gb_second"]
# Per million images: HEAD, GET, and a second HEAD.
S3_REQUESTS = 3 * USD["s3_million_gets"]
# One send per image by EventBridge; ten messages per receive and per delete.
SQS_REQUESTS = 1.2 * USD["sqs_million_requests"]
API_REQUEST = USD["api_million_requests"]
# Lambda's memory for one vCPU; CPU is proportional to memory.
CORE_MB = 1769
WAIT_MS = 10
ROUNDS, ROUNDS_LARGE, ROUNDS_TEXT = 5, 3, 15
QUERIES = [
    "a dog on a sunny beach",
    "something to cut paper with",
    "red bicycle",
    "an old castle at night",
    "two people dancing in the rain",
]
# In one turn: the first query follows a pause, the others follow each other.
QUERIES_REPEATED = 3
GOALS = {SMALL: "≥ 1.6 with AVX2, ≥ 3 with VNNI", LARGE: "≥ 4"}
COLUMNS = [*OURS, *PEERS]
EXACT = "fastembed"
Line = Sequence[str]


def rows(image_seconds: Mapping[int, float], text_seconds: Mapping[int, float]) -> list[Row]:
    """Rows of the costs; both arguments are seconds by number of cores."""
    return [
        _row("a million images indexed", image_seconds, S3_REQUESTS + SQS_REQUESTS, "S3 and SQS"),
        _row("a million text queries", text_seconds, API_REQUEST, "the REST API"),
    ]


def compute_dollars(seconds: float, cores: int) -> float:
    """Lambda's price of a million invocations of this duration, in USD."""
    return seconds * cores * CORE_MB / 1024 * GB_SECOND * 1e6


def _row(name: str, seconds: Mapping[int, float], requests: float, service: str) -> Row:
    figures = [
        f"${compute_dollars(each, cores) + requests:.2f} at {cores * CORE_MB:,} MB"
        f" ({1000 * each:.1f} ms)"
        for cores, each in seconds.items()
    ]
    waiting = compute_dollars(WAIT_MS / 1000, 1)
    how = (
        f"${requests:.2f} of it for {service}; each {WAIT_MS} ms of waiting for the index or S3"
        f" adds ${waiting:.2f} at {CORE_MB:,} MB"
    )
    return Row(f"cost of {name}", ", ".join(figures), how)


def show() -> None:
    """Print both tables; libraries that are not installed are skipped with a message."""
    load = os.getloadavg()[0]
    print(f"CLIP ViT-B/32, random weights, {describe()}, load {load:.1f} at the start\n")
    with clip_folders() as folders, clip_photos() as photos:
        with contestants(folders) as workers:
            show_markdown(["measured", "goal", *COLUMNS], _comparison(workers, photos))
        rows = ([r.what, r.goal, r.value, r.how] for r in _own_figures(folders, photos))
        show_markdown(["measured", "goal", "figure", "how"], rows)


def show_pipeline() -> None:
    """Print the rows of the pipeline alone."""
    load = os.getloadavg()[0]
    with clip_folders() as folders:
        title = f"CLIP ViT-B/32, random weights, {describe()}, load {load:.1f} at the start"
        show_rows(title, pipeline.measure_pipeline(folders.dynamic))


def show_operators() -> None:
    """Print the time of each operator."""
    with clip_folders() as folders:
        header, *rows = operators.operators_table(folders)
    print(
        f"CLIP ViT-B/32, random weights, {describe()}, load {os.getloadavg()[0]:.1f} at the end\n"
    )
    show_markdown(header, rows)


def _comparison(workers: Mapping[str, Worker], photos: Mapping[str, list[Path]]) -> Iterator[Line]:
    for size, paths in photos.items():
        job = {"images": [str(path) for path in paths]}
        rounds = ROUNDS_LARGE if size == LARGE else ROUNDS
        spent = in_turns(workers, job, rounds)
        rates = {name: f"{len(paths) / np.median(times):.1f}" for name, times in spent.items()}
        yield _line(f"JPEG file to vector, {size}, images/s", "", rates)
        yield _line("times as fast as the best of the others", GOALS.get(size, ""), _ratios(spent))
    spent = in_turns(workers, {"texts": QUERIES * QUERIES_REPEATED}, ROUNDS_TEXT)
    turns = {name: np.reshape(times, (ROUNDS_TEXT, -1)) for name, times in spent.items()}
    following = {name: times[:, 1:].ravel().tolist() for name, times in turns.items()}
    yield from _text_lines("text query to vector, one after another, ms at p50", following)
    first = {name: times[:, 0].tolist() for name, times in turns.items()}
    yield from _text_lines(f"the same after a pause of {REST_SECONDS} s", first)
    yield _line(f"the same vectors: worst cosine to {EXACT}", "", _equivalence(workers, photos))


def _text_lines(name: str, spent: Times) -> Iterator[Line]:
    middles = {each: f"{1000 * np.median(times):.1f}" for each, times in spent.items()}
    yield _line(name, "", middles)
    for peer in (peer for peer in PEERS if peer in spent):
        goal = "≥ 2" if peer == EXACT else ""
        yield _line(f"times as fast as {peer}", goal, _ratios(spent, peer))


def _line(name: str, goal: str, figures: Mapping[str, str]) -> Line:
    return [name, goal, *(figures.get(column, "") for column in COLUMNS)]


def _ratios(spent: Times, peer: str | None = None) -> dict[str, str]:
    """The speed-up over `peer`, or over the fastest library: the median of all turns."""
    peers = {name: times for name, times in spent.items() if name in PEERS}
    if not peers:
        return {}
    rival = peers[peer or min(peers, key=lambda name: float(np.median(peers[name])))]
    return {name: f"{np.median(np.array(rival) / np.array(spent[name])):.1f}" for name in OURS}


def _equivalence(workers: Mapping[str, Worker], photos: Mapping[str, list[Path]]) -> dict[str, str]:
    """Worst cosine over small images and queries; open_clip rounds its center crop differently."""
    if EXACT not in workers:
        return {}
    jobs = ({"images": list(map(str, photos[SMALL]))}, {"texts": QUERIES})
    vectors = {
        name: np.concatenate([worker.do(job)[1] for job in jobs])
        for name, worker in workers.items()
    }
    exact = vectors.pop(EXACT)
    return {name: f"{cosines(found, exact).worst:.4f}" for name, found in vectors.items()}


def _own_figures(folders: ClipFolders, photos: Mapping[str, list[Path]]) -> Iterator[Row]:
    yield hardware.measure_decoding(folders.dynamic, photos[LARGE])
    yield hardware.measure_peak(folders.dynamic / "image.onnx", PULLED)
    yield hardware.measure_peak(folders.static / "image.onnx", STATIC)
    yield hardware.measure_kernels(folders.dynamic / "image.onnx", PULLED)
    yield hardware.measure_kernels(folders.static / "image.onnx", STATIC)
    yield from pipeline.measure_pipeline(folders.dynamic)
    goals = "≤ 1.2 s", "", "≤ 1.5 s"
    for row, goal in zip(functions.measure_startup(folders.dynamic), goals, strict=True):
        yield Row(row.what, row.value, row.how, goal)
    yield from _costs(folders.dynamic, photos[SMALL])


def _costs(folder: Path, paths: Sequence[Path]) -> list[Row]:
    images, texts = {}, {}
    for cores in range(1, min(os.cpu_count() or 1, 2) + 1):
        with ours(folder, cores) as worker:
            spent = in_turns({"": worker}, {"images": list(map(str, paths))}, ROUNDS)
            images[cores] = float(np.median(spent[""])) / len(paths)
            asked = in_turns({"": worker}, {"texts": QUERIES}, ROUNDS_TEXT)
            texts[cores] = float(np.median(asked[""]))
    return rows(images, texts)
