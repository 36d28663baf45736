"""Claims: docs/explanation/cost.md states the logs that a search and a batch write.

Lines of the functions are counted as they write them. Those of Lambda and API Gateway are counted
as AWS documents them, with values of the usual length.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from functions.index_images.handler import BatchReport
from functions.index_images.handler import make_handler as make_index_handler
from functions.search.handler import make_handler as make_search_handler
from functions.search.request_log import RequestLog
from imagesearch.domain.images import ImageRef
from imagesearch.indexing.planner import Outcome, OutcomeKind
from tests.support.aws.template import load_template
from tests.support.fakes import picture
from tests.support.handlers import http, in_queue
from tests.support.paths import REPOSITORY

IMAGES_PER_BATCH = 10
REQUEST_ID = "8f507cfc-1b2c-4d3e-9f00-0a1b2c3d4e5f"
TRACE_ID = "1-65a1b2c3-4d5e6f708192a3b4c5d6e7f8"
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
BYTES_PER_EVENT = 26
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
OF_LAMBDA = (
    f"START RequestId: {REQUEST_ID} Version: 12\n",
    f"END RequestId: {REQUEST_ID}\n",
    f"REPORT RequestId: {REQUEST_ID}\tDuration: 48.44 ms\tBilled Duration: 49 ms\t"
    "Memory Size: 2048 MB\tMax Memory Used: 712 MB\t\n"
    f"XRAY TraceId: {TRACE_ID}\tSegmentId: 1a2b3c4d5e6f7081\tSampled: true\t\n",
)
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
OF_API_GATEWAY = {
    "requestId": REQUEST_ID,
    "identity.sourceIp": "203.0.113.117",
    "identity.apiKeyId": "a1b2c3d4e5",
    "httpMethod": "GET",
    "path": "/live/v1/search",
    "status": "200",
    "responseLength": "11834",
    "responseLatency": "61",
    "error.responseType": "-",
    "tlsVersion": "TLSv1.3",
}


STACK = {"stack": "imagesearch"}


class Context:
    aws_request_id = REQUEST_ID

    def get_remaining_time_in_millis(self) -> int:
        return 28_000


class IndexesAll:
    """An indexer that has indexed each image."""

    def process(self, refs: Sequence[ImageRef]) -> list[Outcome]:
        return [Outcome(ref, OutcomeKind.INDEXED) for ref in refs]


@pytest.fixture
def logger(monkeypatch, logs) -> Callable[[str], Logger]:
    """A logger with as many bytes as that of a service: loggers of one service share a stream."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={TRACE_ID};Parent=1a2b3c4d5e6f7081;Sampled=1")
    return lambda service: Logger(service=uuid4().hex[: len(service)], stream=logs.stream)


@pytest.fixture
def gigabytes(capsys, logs) -> Callable[..., float]:
    """The logs of a million invocations like the last one, with Lambda's lines and others."""

    def gigabytes(*others: str) -> float:
        own = [*logs.stream.getvalue().splitlines(), *capsys.readouterr().out.splitlines()]
        assert len(own) == 2  # the log line and the metrics
        lines = (*own, *OF_LAMBDA, *others)
        return sum(len(line.encode()) + BYTES_PER_EVENT for line in lines) / 1000

    return gigabytes


def test_the_cost_page_states_the_log_volume_of_a_million_searches(
    dependencies, fill, logger, gigabytes
):
    fill({f"{number}.png": picture("a cat") for number in range(20)})
    metrics = EphemeralMetrics(namespace="imagesearch", service="search", default_dimensions=STACK)
    handle = make_search_handler(dependencies, RequestLog(logger("search"), metrics))
    assert handle(http("GET", "/v1/search", q="a cat", limit="20"), Context())["statusCode"] == 200
    api = load_template()["Resources"]["SearchApi"]["Properties"]
    form = api["AccessLogSetting"]["Format"]
    access = re.sub(r"\$context\.([A-Za-z.]+)", lambda name: OF_API_GATEWAY[name[1]], form)
    assert gigabytes(access) == stated("a million searches write ([0-9.]+) GB")


def test_the_cost_page_states_the_log_volume_of_a_million_images(logger, gigabytes):
    metrics = EphemeralMetrics(
        namespace="imagesearch", service="index_images", default_dimensions=STACK
    )
    named = logger("index_images")
    handle = make_index_handler(IndexesAll(), "photos", named, BatchReport(named, metrics))
    keys = [f"2024/{number:06}.jpg" for number in range(IMAGES_PER_BATCH)]
    handle(in_queue({"bucket": "photos", "keys": keys}), Context())
    per_image = gigabytes() / IMAGES_PER_BATCH
    assert per_image == stated("a million images ([0-9.]+) GB, in batches of ten")


def stated(pattern: str) -> Any:
    """The number on the page, within a tenth: lines have numbers of different lengths."""
    text = (REPOSITORY / "docs/explanation/cost.md").read_text()
    found = re.search(pattern, text)
    assert found, pattern
    return pytest.approx(float(found[1]), rel=0.1)
