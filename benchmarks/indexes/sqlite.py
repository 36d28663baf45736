"""The cost of a query among 100,000 images in the SQLite index, through the handler.

The lower bound is the time to embed the text and to compare it with every vector; the goal is at
most 10 ms more. All are measured in turns, in a child process with the functions' environment:
`python -m benchmarks.indexes.sqlite --child` prints seconds as JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from statistics import median

import numpy as np

from benchmarks.functions import event
from benchmarks.indexes.synthetic_images import document
from benchmarks.report import Row, percentiles
from benchmarks.workbench import STARTER_MODEL, workbench
from imagesearch import bootstrap
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import Put
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from local.lambda_runtime import LambdaContext

TITLE = "SQLite index, 100,000 synthetic images"
LOWER_BOUND = ("embedding", "bare scan")
IMAGES = 100_000
WRITE_SIZE = 5_000
BLOCK = 8_192
ROUNDS = 100
BATCHES = 11
FILTERS: dict[str, object] = {
    "no filter": None,
    "width, matches all": {"width": {"gte": 1000}},
    "taken_at, matches half": {"taken_at": {"gte": "2024-10-05"}},
    "prefix, matches a third": {"prefix": "2024/1"},
    "metadata, matches 2 %": {"metadata.label": "topic 7"},
    "all four": {
        "width": {"gte": 1000},
        "taken_at": {"gte": "2024-10-05"},
        "prefix": "2024/1",
        "metadata.label": "topic 7",
    },
}
_number = count()


def measure() -> Iterator[Row]:
    with workbench() as bench:
        child = subprocess.run(
            [sys.executable, "-m", "benchmarks.indexes.sqlite", "--child"],
            env=bench.environment,
            capture_output=True,
            text=True,
            check=True,
        )
    seconds = json.loads(child.stdout.splitlines()[-1])
    first, warm = seconds["first"], seconds["warm"]
    batch = warm.pop("batch of 32")
    least = sum(median(warm[name]) for name in LOWER_BOUND)
    for name in LOWER_BOUND:
        yield Row(name, percentiles(warm.pop(name)), "part of the lower bound")
    for name, taken in warm.items():
        how = (
            f"{(median(taken) - least) * 1000:+.1f} ms over the lower bound;"
            f" the first query {first[name] * 1000:,.0f} ms"
        )
        yield Row(f"a query, {name}", percentiles(taken), how)
    each = median(batch) * 1000 / 32
    yield Row("a batch of 32 queries", percentiles(batch), f"{each:.1f} ms per query")


def run_child() -> None:
    """Fills the index of the environment, and prints seconds by name: first and warm."""
    manifest = load_manifest(STARTER_MODEL)
    vectors = _fill(manifest.dimension)
    encoder = OnnxTextEncoder(STARTER_MODEL, manifest)
    actions = {
        "embedding": lambda: encoder.encode_texts([_text()]),
        "bare scan": lambda: _scan(vectors),
        **{name: _search(filter) for name, filter in FILTERS.items()},
    }
    first = {name: _seconds(action) for name, action in actions.items()}
    taken = [{name: _seconds(action) for name, action in actions.items()} for _ in range(ROUNDS)]
    warm = {name: [one[name] for one in taken] for name in actions}
    warm["batch of 32"] = [_seconds(_batch) for _ in range(BATCHES)][1:]
    print(json.dumps({"first": first, "warm": warm}))


def _fill(dimension: int) -> Embedding:
    from functions.search.app import settings

    index = bootstrap.vector_index(settings)
    random = np.random.default_rng(7)
    vectors = random.standard_normal((IMAGES, dimension), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for start in range(0, IMAGES, WRITE_SIZE):
        numbers = range(start, start + WRITE_SIZE)
        index.write([Put(document(number), vectors[number], None) for number in numbers])
    return vectors


def _scan(vectors: Embedding) -> None:
    """Compares every vector with one, in blocks."""
    for start in range(0, len(vectors), BLOCK):
        np.einsum("ij,j->i", vectors[start : start + BLOCK], vectors[0])


def _search(filter: object) -> Callable[[], None]:
    return lambda: _ask("/v1/search", {"query": {"text": _text()}, "filter": filter})


def _batch() -> None:
    _ask("/v1/search/batch", {"searches": [{"query": {"text": _text()}} for _ in range(32)]})


def _text() -> str:
    return f"a dog on a beach, number {next(_number)}"


def _ask(path: str, body: dict[str, object]) -> None:
    from functions.search.app import handler

    request = event("api-search-post-text.json") | {"path": path, "body": json.dumps(body)}
    response = handler(request, LambdaContext("search"))
    assert response["statusCode"] == 200, response
    assert all(result["hits"] for result in _results(json.loads(response["body"])))


def _results(body: dict[str, object]) -> Iterator[dict[str, object]]:
    yield from body.get("results", [body])  # type: ignore[misc]


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__" and sys.argv[1:] == ["--child"]:
    run_child()
