"""Claims: the roles of the functions allow what the code requests, and nothing else.

The functions run as template.yaml configures them, over moto and OpenSearch; every request that
they sign, and every request to OpenSearch, is compared with the policies.
"""

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from functions.index_images.composition import build_handler as build_index_handler
from functions.reconcile.composition import build_handler as build_reconcile_handler
from functions.search.composition import build_handler as build_search_handler
from functions.search.handler import Handler
from functions.tune.composition import build_handler as build_tune_handler
from imagesearch import bootstrap
from imagesearch.adapters.opensearch.client import OpenSearchClient
from imagesearch.bootstrap import query_adapters
from imagesearch.domain.storage_keys import THUMBNAILS
from imagesearch.indexing import thumbnail_cleanup
from imagesearch.settings import Settings
from local.commands.feedback import forget_feedback
from tests.support.aws.cloud import BUCKET, DERIVED, REGION, Queue
from tests.support.aws.inventory import FOLDER, report, row
from tests.support.aws.permissions import Permission, granted, of_opensearch, recorded_requests
from tests.support.aws.template import Deployment
from tests.support.handlers import CONTEXT, Response, begin_upload, http, in_queue, parse_response
from tests.support.opinions import PHRASES, feedback_objects, random_samples
from tests.support.paths import EVENTS, STARTER_MODEL
from tests.support.servers.opensearch_proxy import Proxy, opensearch_proxy

MODELS = "imagesearch-models"
REPORTS = "inventory-reports"
DOMAIN = f"arn:aws:es:{REGION}:123456789012:domain/imagesearch"
KEY, ADMIN = "key-of-a-collection", "key-of-everything"
OWL, COPY, PANDA = "animals/owl.webp", "animals/copy of owl.webp", "animals/giant-panda.webp"
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
# https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html
OF_LAMBDA = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
}


@dataclass(frozen=True)
class Stack:
    """The functions of a stack, the requests that they sign, and those to OpenSearch."""

    deployment: Deployment
    proxy: Proxy
    signed: set[Permission]

    def environment(self, function: str) -> dict[str, str]:
        """The function's environment, with the index at the proxy."""
        variables = self.deployment.template["Globals"]["Function"]["Environment"]["Variables"]
        own = self.deployment.properties(function)["Environment"]["Variables"]
        return self.deployment.resolve(variables) | own | {"INDEX_URL": self.proxy.url}

    def settings(self, function: str) -> Settings:
        return Settings.from_environment(self.environment(function))

    def index(self, *keys: str) -> None:
        settings = self.settings("IndexImages")
        handle = build_index_handler(settings, bootstrap.indexer(settings))
        message = in_queue({"bucket": BUCKET, "keys": keys})
        assert handle(message, CONTEXT) == {"batchItemFailures": []}

    def needed(self) -> set[Permission]:
        """The permissions for all requests so far.

        The model's folder is read without permission to list it: a missing file is a 403.
        """
        listing = Permission("s3:ListBucket", f"arn:aws:s3:::{MODELS}")
        return self.signed - {listing} | of_opensearch(self.proxy.seen, DOMAIN)

    def end(self) -> None:
        """End the functions: the next requests open the index as new ones do."""
        for function in ("IndexImages", "Search", "Reconcile"):
            bootstrap.release(self.settings(function))

    def forget_requests(self) -> None:
        self.signed.clear()
        self.proxy.seen.clear()


@pytest.fixture
def stack(cloud, sqs, derived, aws, opensearch_url, monkeypatch) -> Iterator[Stack]:
    for name, value in {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    where = {"LocationConstraint": REGION}
    cloud.s3.create_bucket(Bucket=MODELS, CreateBucketConfiguration=where)
    prefix = f"test-{uuid.uuid4().hex}"
    folder = f"model/{prefix}"  # not one that is cached
    for path in STARTER_MODEL.iterdir():
        cloud.s3.put_object(Bucket=MODELS, Key=f"{folder}/{path.name}", Body=path.read_bytes())
    named = physical(sqs) | {"Model": f"s3://{MODELS}/{folder}"}
    options = {
        "AllowDelete": "true",
        "ReadObjectTags": "true",
        "KeyCollections": f"{KEY}=animals,{ADMIN}=*",
        "TuneSchedule": "rate(7 days)",
        "InventoryBucketName": REPORTS,
        "InventoryPrefix": FOLDER,
    }
    cloud.s3.create_bucket(Bucket=REPORTS, CreateBucketConfiguration=where)
    deployment = Deployment(named, IndexPrefix=prefix, **options)
    with opensearch_proxy(opensearch_url) as proxy, recorded_requests() as signed:
        made = Stack(deployment, proxy, signed)
        yield made
    made.end()
    server = OpenSearchClient(opensearch_url)
    server.raw.indices.delete(index=f"{prefix}*", ignore=404)
    server.raw.indices.delete_index_template(name=f"{prefix}*", ignore=404)
    server.close()


def physical(sqs: Any) -> dict[str, str]:
    """The references and attributes of the resources that the functions use."""
    buckets = {"ImageBucket": BUCKET, "DerivedBucket": DERIVED, "ModelBucket": MODELS}
    queues = {name: Queue(sqs) for name in ("ImageQueue", "BackfillQueue")}
    return {
        **buckets,
        **{f"{name}.Arn": f"arn:aws:s3:::{bucket}" for name, bucket in buckets.items()},
        **{name: queue.url for name, queue in queues.items()},
        **{f"{name}.Arn": queue.arn for name, queue in queues.items()},
        "ImageIndex.Arn": DOMAIN,
    }


def assert_exact(allowed: set[Permission], needed: set[Permission]) -> None:
    """Each request is allowed, and each permission is for a request."""
    assert {one for one in needed if not any(each.allows(one) for each in allowed)} == set()
    unused = {each for each in allowed if not any(map(each.allows, needed))}
    assert {each for each in unused if each.action not in OF_LAMBDA} == set()


def test_the_indexing_role_allows_what_indexing_requests(stack, cloud, sample):
    cloud.put(OWL, sample("animals/owl"))
    stack.index(OWL)
    cloud.put(COPY, sample("animals/owl"))  # its duplicate is linked by a later message
    cloud.put(PANDA, sample("animals/giant-panda"))
    stack.index(COPY, PANDA)
    cloud.put(PANDA, sample("animals/two-jaguars"))
    cloud.delete(COPY)
    stack.index(PANDA, COPY)
    index = bootstrap.index_name(stack.settings("IndexImages"))
    restart_with_an_index_of_an_earlier_version(stack, index)
    cloud.put(PANDA, sample("animals/giant-panda"))
    stack.index(PANDA)
    assert_exact(granted(stack.deployment, "IndexImagesRole"), stack.needed())


def test_the_reconciling_role_allows_what_reconciliation_requests(
    stack, cloud, sample, monkeypatch
):
    cloud.put(OWL, sample("animals/owl"))
    cloud.put(PANDA, sample("animals/giant-panda"))
    stack.index(OWL, PANDA)
    cloud.put(COPY, sample("animals/owl"))
    cloud.s3.put_object(Bucket=DERIVED, Key=f"{THUMBNAILS}of-no-record/0.webp", Body=b"")
    cloud.delete(PANDA)
    stack.end()
    stack.forget_requests()
    handle = build_reconcile_handler(stack.environment("Reconcile"))
    monkeypatch.setattr(thumbnail_cleanup, "MINIMUM_AGE", timedelta(days=-1))

    def listings() -> list[str]:
        parts = [handle(part, CONTEXT) for part in handle({"action": "plan"}, CONTEXT)["parts"]]
        assert all(part["done"] for part in parts)
        return [part["listing"] for part in parts if part["action"] == "compare"]

    assert listings() == ["bucket"]  # there is no report yet
    written = datetime.now(UTC) + timedelta(minutes=1)
    for key, data in report(
        [row(OWL)],  # with another ETag, and without COPY
        sourceBucket=BUCKET,
        destinationBucket=f"arn:aws:s3:::{REPORTS}",
        creationTimestamp=str(int(written.timestamp() * 1000)),
    ).items():
        cloud.s3.put_object(Bucket=REPORTS, Key=key, Body=data)
    assert listings() == ["inventory"]
    assert_exact(granted(stack.deployment, "ReconcileRole"), stack.needed())


@pytest.fixture
def rate(cloud, monkeypatch):
    """Stores opinions of a user on the searches of a day, which prove an adapter."""
    manifest = bootstrap.manifest_of(str(STARTER_MODEL))
    samples = random_samples(manifest.dimension)
    monkeypatch.setattr(query_adapters, "_sample_vectors", lambda _, __: samples)

    def rate(user: str, day: date, phrases: Sequence[int] = range(PHRASES)) -> None:
        for key, record in feedback_objects(manifest, user, day, phrases):
            cloud.s3.put_object(Bucket=DERIVED, Key=key, Body=record)

    return rate


def test_the_tuning_role_allows_what_runs_request(stack, rate):
    """The first run adopts an adapter, and the second one begins with it."""
    rate("anna", date(2026, 1, 5), range(PHRASES - 2))
    stack.forget_requests()
    handle = build_tune_handler(stack.environment("Tune"))
    assert handle({}, CONTEXT)["adapter"] == 1
    rate("ben", date(2026, 2, 5), range(PHRASES - 2, PHRASES))
    assert handle({}, CONTEXT)["adapter"] == 2
    assert_exact(granted(stack.deployment, "TuneRole"), stack.needed())


def test_the_documented_permissions_of_forgetting_are_those_it_requests(stack, rate):
    """Those of `tune` and the deletion of opinions, from marking an adapter to fitting another."""
    rate("anna", date(2026, 1, 5))
    rate("ben", date(2026, 2, 5))
    build_tune_handler(stack.environment("Tune"))({}, CONTEXT)
    stack.forget_requests()
    place = f"s3://{DERIVED}", None, STARTER_MODEL, str(STARTER_MODEL)
    forgotten = forget_feedback(None, "anna", *place)
    assert (forgotten.adapters, forgotten.tuned.tuned.adapter.number) == ((1,), 2)
    feedback = f"arn:aws:s3:::{DERIVED}/feedback/*"
    adapters = f"arn:aws:s3:::{DERIVED}/adapters/*"
    documented = {
        Permission("s3:ListBucket", f"arn:aws:s3:::{DERIVED}"),
        Permission("s3:GetObject", feedback),
        Permission("s3:DeleteObject", feedback),
        Permission("s3:GetObject", adapters),
        Permission("s3:PutObject", adapters),
    }
    assert_exact(documented, stack.needed())


def restart_with_an_index_of_an_earlier_version(stack: Stack, name: str) -> None:
    """The index lacks a field that the restarted functions need."""
    server = OpenSearchClient(stack.proxy.upstream)
    described = server.raw.indices.get_mapping(index=name)[name]
    del described["mappings"]["properties"]["truncated"]
    server.raw.indices.delete(index=name)
    server.raw.indices.delete_index_template(name=name)
    server.raw.indices.create(index=name, body={**described, "settings": {"index.knn": True}})
    server.close()
    stack.end()


def test_the_search_role_allows_what_the_api_requests(stack, cloud, sample, eventually):
    handle = search_handler(stack)
    answered: set[tuple[str, str]] = set()

    def send(event: dict[str, Any]) -> Response:
        event["requestContext"]["identity"].setdefault("apiKeyId", ADMIN)
        answer = parse_response(handle(event, CONTEXT))
        if answer.status < 400:
            answered.add((event["httpMethod"], event["path"]))
        return answer

    def ask(method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = send(http(method, path, body, **query))
        assert answer.status < 400, answer.body
        return answer.json

    ask("GET", "/v1/health")
    without_an_index = stack.needed()
    cloud.put(OWL, sample("animals/owl"))
    cloud.put(PANDA, sample("animals/giant-panda"))
    stack.index(OWL, PANDA)
    stack.forget_requests()
    eventually("images are searchable", lambda: len(ask("GET", "/v1/images")["images"]) == 2)
    files = {path.stem for path in EVENTS.glob("api-*.json")}
    first, last = {"api-labelset-put"}, {"api-image-delete", "api-labelset-delete"}
    for name in sorted(files, key=lambda name: (name in last, name not in first, name)):
        send(json.loads((EVENTS / f"{name}.json").read_text()))
    within_a_collection = http("GET", "/v1/health")
    within_a_collection["requestContext"]["identity"]["apiKeyId"] = KEY
    assert send(within_a_collection).status == 200
    ask("GET", "/v1/facets")
    ask("POST", "/v1/facets", {"query": {"text": "an owl"}})
    ask("GET", "/v1/collections")
    found = ask("GET", "/v1/search", q="an owl", feedback="true")
    pair = {"search_id": found["search_id"], "id": found["hits"][0]["id"], "relevant": True}
    ask("POST", "/v1/feedback", pair)
    preview = http("GET", f"/v1/images/{pair['id']}/preview")
    preview["requestContext"]["identity"]["apiKeyId"] = ADMIN
    assert handle(preview, CONTEXT)["statusCode"] == 200
    answered.add(("GET", preview["path"]))
    pending = begin_upload(ask, "owl.webp")
    status = f"/v1/images/{pending['id']}"
    assert send(http("GET", status)).status == 404
    cloud.put(pending["key"], sample("animals/owl"))
    ask("GET", status)
    assert send(http("GET", f"/v1/images/{'0' * 24}")).status == 404
    settings = stack.settings("Search")
    labels = bootstrap.manifest_of(settings.model_uri).label_space
    name = f"{settings.index_prefix}-labels-{labels}"
    restart_with_an_index_of_an_earlier_version(stack, name)
    handle = search_handler(stack)
    ask("PUT", "/v1/labelsets/birds", {"labels": ["an owl"]})
    assert operations_without_an_answer(ask("GET", "/openapi.json"), answered) == set()
    assert_exact(granted(stack.deployment, "SearchRole"), stack.needed() | without_an_index)


def search_handler(stack: Stack) -> Handler:
    settings = stack.settings("Search")
    return build_search_handler(settings, bootstrap.change_queue(settings))


def operations_without_an_answer(
    document: dict[str, Any], answered: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    """The operations of an OpenAPI document, as method and path, that no request has reached."""
    return {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if not any(
            sent == method.upper() and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), to)
            for sent, to in answered
        )
    }
