"""The search function over many made-up images in the embedded index, beside what it cannot do
without: a process of its own, in the functions' environment, that prints seconds as JSON."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import count

import numpy as np

from benchmarks.functions import event
from benchmarks.synthetic_images import document
from benchmarks.workbench import STARTER_MODEL
from functions.search.app import handler, settings
from imagesearch import bootstrap
from imagesearch.domain.images import Embedding
from imagesearch.domain.ports import Put
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from local.lambda_runtime import LambdaContext

IMAGES = 100_000
AT_ONCE = 5_000
BLOCK = 8_192
ROUNDS = 100
BATCHES = 11
FILTERS: dict[str, object] = {
    "no filter": None,
    "width, holds for all": {"width": {"gte": 1000}},
    "taken_at, for half": {"taken_at": {"gte": "2024-10-05"}},
    "prefix, for a third": {"prefix": "2024/1"},
    "metadata, for 2 %": {"metadata.label": "topic 7"},
    "all four": {
        "width": {"gte": 1000},
        "taken_at": {"gte": "2024-10-05"},
        "prefix": "2024/1",
        "metadata.label": "topic 7",
    },
}
_number = count()


def main() -> None:
    manifest = load_manifest(STARTER_MODEL)
    vectors = _filled(manifest.dimension)
    encoder = OnnxTextEncoder(STARTER_MODEL, manifest)
    deeds = {
        "embedding": lambda: encoder.encode_texts([_words()]),
        "bare scan": lambda: _scan(vectors),
        **{name: _search(filter) for name, filter in FILTERS.items()},
    }
    first = {name: _seconds(deed) for name, deed in deeds.items()}
    taken = [{name: _seconds(deed) for name, deed in deeds.items()} for _ in range(ROUNDS)]
    again = {name: [one[name] for one in taken] for name in deeds}
    again["batch of 32"] = [_seconds(_batch) for _ in range(BATCHES)][1:]
    print(json.dumps({"first": first, "again": again}))


def _filled(dimension: int) -> Embedding:
    index = bootstrap.vector_index(settings)
    random = np.random.default_rng(7)
    vectors = random.standard_normal((IMAGES, dimension), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for start in range(0, IMAGES, AT_ONCE):
        numbers = range(start, start + AT_ONCE)
        index.write([Put(document(number), vectors[number], None) for number in numbers])
    return vectors


def _scan(vectors: Embedding) -> None:
    """Every vector compared with one, and no more: in blocks, as any scan must that grows."""
    for start in range(0, len(vectors), BLOCK):
        np.einsum("ij,j->i", vectors[start : start + BLOCK], vectors[0])


def _search(filter: object) -> Callable[[], None]:
    return lambda: _ask("/v1/search", {"query": {"text": _words()}, "filter": filter})


def _batch() -> None:
    _ask("/v1/search/batch", {"searches": [{"query": {"text": _words()}} for _ in range(32)]})


def _words() -> str:
    return f"a dog on a beach, number {next(_number)}"


def _ask(path: str, body: dict[str, object]) -> None:
    asked = event("api-search-post-text.json") | {"path": path, "body": json.dumps(body)}
    answer = handler(asked, LambdaContext("search"))
    assert answer["statusCode"] == 200, answer
    assert all(found["hits"] for found in _answers(json.loads(answer["body"])))


def _answers(body: dict[str, object]) -> Iterator[dict[str, object]]:
    yield from body.get("results", [body])  # type: ignore[misc]


def _seconds(deed: Callable[[], object]) -> float:
    started = time.perf_counter()
    deed()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
