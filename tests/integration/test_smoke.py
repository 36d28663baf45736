"""Claims about `imagesearch smoke`: it tests a deployment, names what fails, and cleans up."""

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import httpx
import pytest

from imagesearch.bootstrap import relevance_of
from imagesearch.search.searcher import Searcher
from local.smoke.api_access import ApiAccess, access_with_key, access_with_token
from local.smoke.buckets import S3Bucket
from local.smoke.images import smoke_images
from local.smoke.results import Check, CheckFailed, Result, run_check
from local.smoke.run import SmokeTest
from local.smoke.timing import Timing
from local.web.auth import ApiKeys, Auth
from local.web.gateway import Gateway
from local.web.hosts import AllowedHosts
from tests.integration.conftest import NOBODY
from tests.support.aws.cloud import BUCKET, REGION
from tests.support.aws.lambda_service import LambdaService
from tests.support.paths import STARTER_MODEL
from tests.support.servers.wsgi_server import wsgi_server
from tests.support.waiting import PATIENCE_SECONDS

KEY = "the key"
MINE = "mine/panda.webp"


@pytest.fixture
def queue(cloud):
    return cloud.queue("eventbridge")


@pytest.fixture
def parts(parts, index, texts, images):
    """With the calibration of the starter model, as the function has it."""
    calibrated = Searcher(index, texts, images, relevance_of(str(STARTER_MODEL)))
    return replace(parts, searcher=calibrated)


@pytest.fixture
def deployed(search, cloud, sample) -> Auth:
    """The API with a key, over a bucket that already has an image of its user."""
    cloud.put(MINE, sample("animals/giant-panda"))
    api = Gateway(lambda event, _: search(event))
    return Auth(api, AllowedHosts("127.0.0.1"), ApiKeys({"default": KEY}))


@pytest.fixture
def endpoint(deployed) -> Iterator[str]:
    def application(environ: dict[str, Any], start_response: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = io.BytesIO(environ["wsgi.input"].read(length))
        return deployed(environ | {"wsgi.input": body}, start_response)

    with wsgi_server(application) as url:
        yield url


class Time:
    """A clock that advances by sleeping, during which `work` is done."""

    def __init__(self, work: Callable[[], object] = lambda: None) -> None:
        self.seconds = 0.0
        self._work = work

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self._work()

    def timing(self) -> Timing:
        return Timing(now=lambda: self.seconds, sleep=self.sleep)


@pytest.fixture
def smoke_test(endpoint, cloud) -> Iterator[Callable[..., SmokeTest]]:
    access = access_with_key(endpoint, KEY)

    def smoke_test(time: Time, bucket: S3Bucket | None = None) -> SmokeTest:
        bucket = bucket or S3Bucket(BUCKET, cloud.s3)
        return SmokeTest(access, bucket, smoke_images(), time.timing())

    yield smoke_test
    access.close()


def results_of(test: SmokeTest) -> dict[str, Result]:
    return {each.check: each.result for each in test.results}


def keys(cloud) -> list[str]:
    return [each["Key"] for each in cloud.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


COUNTS = [{"counts": {"compared": 8}}, {"counts": {"listed": 2}}]


@pytest.fixture
def stack(aws, cloud) -> str:
    """A stack whose state machine ends at once: its states are tested in commands/."""
    executing = {"stepfunctions": {"execute_state_machine": True}}
    answer = httpx.post(f"{aws}/moto-api/config", json=executing, timeout=PATIENCE_SECONDS)
    answer.raise_for_status()
    states, cloudformation = (
        boto3.client(service, region_name=REGION, endpoint_url=aws, **NOBODY)
        for service in ("stepfunctions", "cloudformation")
    )
    parts = {"Type": "Pass", "Result": COUNTS, "End": True}
    machine = states.create_state_machine(
        name="reconciliation",
        definition=json.dumps({"StartAt": "Parts", "States": {"Parts": parts}}),
        roleArn="arn:aws:iam::123456789012:role/reconciliation",
    )
    output = {"ReconciliationStateMachineArn": {"Value": machine["stateMachineArn"]}}
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}, "Outputs": output}
    cloudformation.create_stack(StackName="photos", TemplateBody=json.dumps(template))
    return "photos"


def test_the_command_passes_on_a_deployment_and_leaves_no_object(
    commands, aws, endpoint, queue, index_images, cloud, stack, tmp_path
):
    account = {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": REGION,
        "IMAGESEARCH_API_KEY": KEY,
    }
    line = ["smoke", "--endpoint", endpoint, "--bucket", BUCKET, "--stack", stack, "--json"]
    with LambdaService(queue, [index_images]):
        done = commands.run(line, tmp_path, os.environ | account)
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert {row["result"] for row in rows} == {"passed"}, done.stdout
    assert done.returncode == 0
    details = {row["check"]: row["details"] for row in rows}
    assert details["reconcile"] == "8 compared, 2 listed"
    matching, others = map(float, re.findall(r"\d\.\d\d", details["relevance"]))
    assert matching >= 0.5 > others
    assert keys(cloud) == [MINE]


@pytest.mark.parametrize(
    ("relevances", "result"),
    [((0.6, 0.1), Result.PASSED), ((0.49, 0.1), Result.FAILED), ((None, None), Result.SKIPPED)],
)
def test_a_match_must_be_relevant_by_the_calibration_of_the_model(relevances, result):
    images = smoke_images()
    match, other = relevances

    class Api:
        def search(self, text, **_):
            wanted = {image.key for image in images.texts[text]}
            hits = [
                {"key": image.key, "relevance": match if image.key in wanted else other}
                for image in images.intact
            ]
            return {"hits": hits}

    access = ApiAccess(Api(), None, {}, has_credentials=True)  # type: ignore[arg-type]
    test = SmokeTest(access, None, images, Time().timing())  # type: ignore[arg-type]
    check = Check("relevance", test._relevance, "")
    found = run_check(check, [], Time().timing().now)
    assert found.result is result, found.details


def test_texts_without_hits_fail_with_a_reason():
    api = SimpleNamespace(search=lambda *_, **__: {"hits": []})
    access = ApiAccess(api, None, {}, has_credentials=True)  # type: ignore[arg-type]
    test = SmokeTest(access, None, smoke_images(), Time().timing())  # type: ignore[arg-type]
    with pytest.raises(CheckFailed, match="no text finds its image"):
        test._relevance()


def test_no_version_of_a_deleted_object_is_left_in_a_versioned_bucket(cloud):
    enabled = {"Status": "Enabled"}
    cloud.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=enabled)
    bucket, images = S3Bucket(BUCKET, cloud.s3), smoke_images()
    cloud.put(MINE, b"mine")
    for image in (*images.intact, images.after):
        bucket.put(image)
    for key in bucket.keys(images.prefix):
        bucket.delete(key)
    assert bucket.delete_versions(images.prefix) == 2 * len(images.intact) + 1
    left = cloud.s3.list_object_versions(Bucket=BUCKET)
    assert [each["Key"] for each in left["Versions"]] == [MINE]
    assert "DeleteMarkers" not in left


def test_stopped_indexing_is_named_and_the_objects_are_deleted(smoke_test, queue, cloud):
    test = smoke_test(Time())
    test.run()
    results = {each.check: each for each in test.results}
    assert results["indexed"].result is Result.FAILED
    assert "a b+c%41é.jpg" in results["indexed"].details
    assert "index_images" not in results["indexed"].details
    assert "queues" in results["indexed"].hint
    assert results["indexed"].seconds < 120
    assert results["search by text"].details == "needs: indexed"
    assert results["clean up"].result is Result.PASSED
    assert keys(cloud) == [MINE]


def test_indexing_that_stops_after_the_upload_fails_the_later_changes(
    smoke_test, queue, index_images, cloud
):
    uploads = iter(["to the bucket", "by form"])

    def index() -> None:
        if next(uploads, None):
            queue.drain(index_images)

    test = smoke_test(Time(index))
    test.run()
    results = results_of(test)
    failed = {name for name, result in results.items() if result is Result.FAILED}
    assert failed == {"overwrite", "delete"}
    assert keys(cloud) == [MINE]


def test_ctrl_c_deletes_the_objects(smoke_test, queue, cloud):
    def interrupt() -> None:
        assert len(keys(cloud)) > 5
        raise KeyboardInterrupt

    test = smoke_test(Time(interrupt))
    with pytest.raises(KeyboardInterrupt):
        test.run()
    assert list(results_of(test))[-1] == "clean up"
    assert keys(cloud) == [MINE]


class RefusesOne(S3Bucket):
    """Refuses to write an object after others are written."""

    def put(self, image: Any) -> None:
        if image.key.endswith(".heic"):
            raise OSError("Access Denied")
        super().put(image)


def test_a_refused_upload_is_named_and_written_objects_are_deleted(smoke_test, cloud, queue):
    test = smoke_test(Time(), RefusesOne(BUCKET, cloud.s3))
    test.run()
    results = {each.check: each for each in test.results}
    assert results["upload"].details == "OSError: Access Denied"
    assert results["indexed"].result is Result.SKIPPED
    assert keys(cloud) == [MINE]


class UserPool:
    """Requires a token, as API Gateway with a Cognito authorizer."""

    def __init__(self, api: Any, token: str) -> None:
        self._api, self._token = api, token

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("HTTP_AUTHORIZATION") == self._token:
            return self._api(environ, start_response)
        start_response("401 Unauthorized", [("content-type", "application/json")])
        return [b'{"error": {"code": "unauthorized", "message": "no token", "hint": ""}}']


def test_a_token_is_sent_to_the_api_alone_and_required_by_it(search, cloud, queue, index_images):
    pool = UserPool(Gateway(lambda event, _: search(event)), "the token")
    api = httpx.WSGITransport(pool)
    seen: list[httpx.Request] = []

    class Network(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request)
            if request.url.host == "api.example.org":
                return api.handle_request(request)
            return httpx.HTTPTransport().handle_request(request)

    access = access_with_token("https://api.example.org", "the token", Network())
    time = Time(lambda: queue.drain(index_images))
    test = SmokeTest(access, S3Bucket(BUCKET, cloud.s3), smoke_images(), time.timing())
    test.run()
    results = results_of(test)
    assert results.pop("reconcile") is Result.SKIPPED
    assert set(results.values()) == {Result.PASSED}
    assert [name for name in results if name.startswith("access")] == [
        "access without a token",
        "access with a wrong token",
    ]
    for request in seen:
        has_token = "authorization" in request.headers
        assert not has_token or request.url.host == "api.example.org"


def test_an_api_that_is_open_fails(search, cloud, queue):
    api = httpx.WSGITransport(Gateway(lambda event, _: search(event)))
    access = access_with_key("http://127.0.0.1", KEY, api)
    test = SmokeTest(access, S3Bucket(BUCKET, cloud.s3), smoke_images(), Time().timing())
    test.run()
    results = results_of(test)
    for name in ("access without a key", "access with a wrong key"):
        assert results[name] is Result.FAILED
