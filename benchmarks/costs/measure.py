"""Bytes that a request writes and returns, measured with the real functions on this machine."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import boto3

from benchmarks.functions import event
from benchmarks.workbench import REPOSITORY, Workbench, workbench
from imagesearch.adapters.s3.client import client_config
from imagesearch.adapters.s3.presigned_urls import URL_SECONDS

BATCH = 10
LARGE = "-640.jpg"
# Session tokens of roles have about this many characters; a presigned URL contains it.
TOKEN_CHARACTERS = 1000
# https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
_ID = "3b1f1a52-5a3f-4a2e-9c0e-0d8f0a4e3b5c"
PLATFORM_LINES = (
    f"START RequestId: {_ID} Version: 12\n"
    f"END RequestId: {_ID}\n"
    f"REPORT RequestId: {_ID}\tDuration: 23.45 ms\tBilled Duration: 24 ms\t"
    "Memory Size: 2048 MB\tMax Memory Used: 512 MB\t\n"
    "XRAY TraceId: 1-5e34a614-10bdxmplf1fb44f07bc535a1\tSegmentId: 07f5xmpl2d1f6f85\t"
    "Sampled: true\t\n"
)
# Values of API Gateway's variables in the access log of a search.
CONTEXT = {
    "requestId": _ID,
    "identity.sourceIp": "203.0.113.178",
    "identity.apiKeyId": "a1b2c3d4e5",
    "httpMethod": "GET",
    "path": "/live/v1/search",
    "status": "200",
    "responseLength": "30123",
    "responseLatency": "42",
    "error.responseType": "-",
    "tlsVersion": "TLSv1.3",
}
_PROGRAM = """
import json, sys
from functions.index_images.app import handler as index_images
from functions.search.app import handler as search
from local.lambda_runtime import LambdaContext
handlers = {"index_images": index_images, "search": search}
for line in sys.stdin:
    name, event = json.loads(line)
    print("> " + name, flush=True)
    response = handlers[name](event, LambdaContext(name))
    sys.stdout.flush()
    print("< " + json.dumps(response), flush=True)
"""


def measure(log_format: str) -> dict[str, float]:
    """Bytes by the names of figures.json; `log_format` is that of the API's access log."""
    with workbench() as bench:
        keys = sorted(path.relative_to(bench.folder).as_posix() for path in _photos(bench))
        batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
        search = event("api-search-get.json")
        search["queryStringParameters"] = {"q": "a goldfish"}
        search["multiValueQueryStringParameters"] = {"q": ["a goldfish"]}
        calls = [("index_images", _batch(bench, batch)) for batch in batches]
        output = _run(bench, [*calls, *[("search", search)] * BATCH])
        sizes = {path.name: path.stat().st_size for path in bench.data.rglob("*.jpg")}
    large = [size for name, size in sizes.items() if name.endswith(LARGE)]
    small = [size for name, size in sizes.items() if not name.endswith(LARGE)]
    logs, responses = _parse(output)
    return {
        "search_log_bytes": mean(logs["search"]) + len(PLATFORM_LINES),
        "index_log_bytes": mean(logs["index_images"][:-1]) + len(PLATFORM_LINES),
        "access_log_bytes": len(access_log_line(log_format)),
        "response_bytes": mean(len(_with_signed_urls(each)) for each in responses["search"]),
        "thumbnail_bytes": mean(small),
        "large_thumbnail_bytes": mean(large),
    }


def access_log_line(log_format: str) -> str:
    """A line of the API's access log."""
    return re.sub(r"\$context\.([A-Za-z.]+)", lambda found: CONTEXT[found[1]], log_format)


def _photos(bench: Workbench) -> Iterable[Path]:
    return bench.folder.rglob("*.webp")


def _batch(bench: Workbench, keys: Iterable[str]) -> dict[str, object]:
    bodies = [
        {
            "source": "aws.s3",
            "detail": {"bucket": {"name": bench.folder.as_uri()}, "object": {"key": key}},
        }
        for key in keys
    ]
    records = [
        {"eventSource": "aws:sqs", "messageId": str(number), "body": json.dumps(body)}
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def _run(bench: Workbench, calls: Iterable[tuple[str, object]]) -> str:
    removed = ("POWERTOOLS_METRICS_DISABLED", "LOG_LEVEL")
    environment = {k: v for k, v in bench.environment.items() if k not in removed}
    child = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=environment | {"PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        input="".join(json.dumps(call) + "\n" for call in calls),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return child.stdout


def _parse(output: str) -> tuple[dict[str, list[int]], dict[str, list[Any]]]:
    """Bytes logged and the responses, by function."""
    logs: dict[str, list[int]] = {"index_images": [], "search": []}
    responses: dict[str, list[Any]] = {"index_images": [], "search": []}
    name = ""
    for line in output.splitlines():
        if line.startswith("> "):
            name = line[2:]
            logs[name].append(0)
        elif line.startswith("< "):
            responses[name].append(json.loads(line[2:]))
        else:
            logs[name][-1] += len(line.encode()) + 1
    return logs, responses


def _with_signed_urls(response: Mapping[str, Any]) -> str:
    """The body with URLs of S3, as a deployed function signs them with its role's credentials."""
    body = json.loads(response["body"])
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        config=client_config(),
        aws_access_key_id="A" * 20,
        aws_secret_access_key="s" * 40,
        aws_session_token="t" * TOKEN_CHARACTERS,
    )

    def signed(key: str) -> str:
        where = {"Bucket": "imagesearch-imagebucket-1a2b3c4d5e6f", "Key": key}
        return str(s3.generate_presigned_url("get_object", where, ExpiresIn=URL_SECONDS))

    for hit in body["hits"]:
        hit["url"] = signed(hit["key"])
        for name in ("thumbnail_url", "large_thumbnail_url"):
            if name in hit:
                hit[name] = signed(Path(hit[name]).name)
    return json.dumps(body)
