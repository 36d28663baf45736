"""Concurrent requests of one handler: each gets the response and log line that it gets alone."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from functions.search.handler import KeyScopes, make_handler
from functions.search.request_log import RequestLog
from imagesearch.access import KeyBindings, Scope, ScopedIndex
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.search.searcher import Searcher
from tests.support.fakes import picture
from tests.support.handlers import http

THREADS, REPETITIONS = 8, 6
BOUND = Scope(frozenset({"cats"}))
ORIGIN = "https://shop.example"


@pytest.fixture
def index(tmp_path):
    with closing(SqliteIndex(tmp_path / "index.db", "images-test", 8)) as index:
        yield index


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Threads are interrupted after a few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def handler(dependencies, index, texts, images, logger, metrics, fill):
    """A handler in which the key `bound` sees the images of one collection."""
    keys = ("cats/1.png", "cats/2.png", "dogs/1.png", "dogs/2.png")
    fill({key: picture(f"a picture of {key}") for key in keys})

    def within(scope):
        return replace(dependencies, searcher=Searcher(ScopedIndex(index, scope), texts, images))

    scopes = KeyScopes(KeyBindings({"bound": BOUND, "free": None}), within)
    return make_handler(dependencies, RequestLog(logger, metrics), ORIGIN, scopes)


def events(count: int) -> list[dict[str, Any]]:
    """Different requests: valid and invalid ones of several routes, keys and base paths."""
    made = []
    for n in range(count):
        made += [
            http("GET", "/v1/search", q=f"a picture {n}", limit=str(1 + n % 4)),
            http("POST", "/v1/search", {"query": {"text": "a"}, f"field{n}": 1}),
            http("POST", "/v1/search", {"query": {"text": f"picture {n}"}, "limit": 1 + n % 3}),
            http("GET", "/v1/health", **{f"parameter{n}": "x"}),
            http("GET", f"/v1/images/image-{n}"),
            http("GET", "/v1/images", limit=str(1 + n % 4)),
            http("GET", f"/v1/nothing/{n}"),
            http("DELETE", "/v1/search"),
            http("GET", "/v1/health"),
        ]
    for n, event in enumerate(made):
        identity = {"apiKeyId": "bound" if n % 2 else "free"}
        path = f"/stage{n}{event['path']}"
        context = {**event["requestContext"], "identity": identity, "path": path}
        event["requestContext"] = context
    return made


def answer(handler, event: dict[str, Any], request_id: str) -> dict[str, Any]:
    context = SimpleNamespace(
        aws_request_id=request_id, get_remaining_time_in_millis=lambda: 60_000
    )
    found = handler(event, context)
    body = json.loads(found["body"])
    body.pop("took_ms", None)
    return {**found, "body": body}


def lines(logs, prefix: str) -> dict[str, tuple[object, ...]]:
    """Route, status and error code by request."""
    return {
        line["request_id"].removeprefix(prefix): (line["route"], line["status"], line.get("code"))
        if "route" in line
        else (line["status"], line.get("code"))
        for line in logs.of("request")
        if line["request_id"].startswith(prefix)
    }


def test_concurrent_requests_get_the_responses_and_log_lines_of_serial_ones(handler, logs):
    sent = events(REPETITIONS)
    with ThreadPoolExecutor(THREADS) as threads:
        # Concurrent first: the first request of each route prepares it.
        together = list(
            threads.map(
                lambda each: answer(handler, each[1], f"together-{each[0]}"), enumerate(sent)
            )
        )
    alone = [answer(handler, event, f"alone-{n}") for n, event in enumerate(sent)]
    for one, other in zip(together, alone, strict=True):
        assert one == other
    assert lines(logs, "together-") == lines(logs, "alone-")
    assert len(lines(logs, "alone-")) == len(sent)
