"""Claims: both Python clients send the requests of their methods, and raise API errors."""

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docs.reference_pages.api import openapi
from functions.search.handler import make_handler
from functions.search.request_log import RequestLog
from imagesearch.client import ApiError, AsyncImageSearch, ImageSearch, responses
from imagesearch.client.errors import MAX_WAIT_SECONDS, retry_wait
from local.web.gateway import Gateway
from tests.support.fakes import picture, ref


@pytest.fixture
def api(dependencies, logger, metrics):
    gateway = Gateway(make_handler(dependencies, RequestLog(logger, metrics)))
    transport = httpx.WSGITransport(gateway)
    with ImageSearch("http://api.test/v1", transport=transport) as api:
        yield api


@pytest.fixture
def answering():
    """A client of a server with these responses in order; requests are recorded."""
    requested = []

    def answering(*answers: httpx.Response, **options):
        left = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            requested.append(request)
            return left.pop(0)

        transport = httpx.MockTransport(answer)
        return ImageSearch("https://api.test/live/v1/", transport=transport, **options), requested

    return answering


def test_text_image_and_mixed_queries_find_images(api, fill, tmp_path):
    fill({"cat.png": picture("a cat"), "dog.png": picture("a dog")})
    file = tmp_path / "given.png"
    file.write_bytes(picture("a cat"))
    mixed = {"terms": [{"text": "a cat"}, {"text": "a dog", "weight": -0.5}]}
    for query in ("a cat", picture("a cat"), file, mixed):
        found = api.search(query, limit=1)
        assert [hit["key"] for hit in found["hits"]] == ["cat.png"]


def test_records_are_read_page_by_page(api, fill):
    keys = [f"{number}.png" for number in range(5)]
    fill({key: picture(key) for key in keys})
    assert [image["key"] for image in api.images(limit=2)] == keys
    assert api.image(ref("0.png").id)["key"] == "0.png"
    assert "0.png" not in {hit["key"] for hit in api.similar(ref("0.png").id)["hits"]}


def test_batch_results_are_in_the_order_of_the_searches(api, fill):
    fill({"cat.png": picture("a cat")})
    found, missing = api.search_many([{"query": {"text": "a cat"}}, {"query": {"id": "none"}}])
    assert found["hits"][0]["key"] == "cat.png"
    assert missing["error"]["code"] == "not_found"


def test_an_image_is_classified(api):
    found = api.classify(picture("a cat"), labels=["a cat", "a dog"])
    assert sum(each["score"] for each in found["labels"]) == pytest.approx(1, abs=1e-5)


def test_an_api_error_is_raised_with_its_message(api):
    with pytest.raises(ApiError) as caught:
        api.image("none")
    error = caught.value
    assert (error.status, error.code) == (404, "not_found")
    assert error.message in str(error)
    assert error.hint in str(error)


def test_a_response_that_is_not_of_the_api_is_an_error(answering):
    client, _ = answering(httpx.Response(404, text="<html>"))
    with pytest.raises(ApiError, match="404 Not Found; check that the address"):
        client.health()


def test_a_busy_api_is_retried(answering):
    busy = httpx.Response(429, headers={"retry-after": "0"}, json={"error": {}})
    client, requested = answering(busy, busy, httpx.Response(200, json={"status": "ok"}))
    assert client.health() == {"status": "ok"}
    assert len(requested) == 3


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} (Jan|[A-Z][a-z]{2}) \d+ [\d:]+ .*"))
@example("Sun, 01 Jan 999999999999999999999 10:00:00 GMT")
def test_any_retry_after_header_is_read_or_ignored(value):
    headers = [(b"retry-after", value.encode(errors="replace"))]
    seconds = retry_wait(httpx.Response(429, headers=headers), attempt=0, retries=1)
    assert 0 <= seconds <= MAX_WAIT_SECONDS


def test_retries_of_a_busy_api_are_limited(answering):
    failure = {"error": {"code": "too_many_requests", "message": "Too many", "hint": "Wait"}}
    busy = httpx.Response(429, headers={"retry-after": "0"}, json=failure)
    client, requested = answering(busy, busy, retries=1)
    with pytest.raises(ApiError) as caught:
        client.health()
    assert caught.value.code == "too_many_requests"
    assert len(requested) == 2


def test_an_upload_that_the_bucket_throttles_is_retried(answering, tmp_path):
    file = tmp_path / "cat.png"
    file.write_bytes(picture("a cat"))
    started = {"id": "1", "upload": {"url": "https://bucket.test/", "fields": {"key": "cat-1.png"}}}
    slow_down = httpx.Response(503, headers={"retry-after": "0"}, text="<Code>SlowDown</Code>")
    client, requested = answering(httpx.Response(201, json=started), slow_down, httpx.Response(204))
    assert client.upload(str(file)) == started
    assert [request.url.host for request in requested] == ["api.test", "bucket.test", "bucket.test"]
    assert all(picture("a cat") in request.read() for request in requested[1:])


def test_the_api_key_is_sent_to_the_api_and_not_to_the_bucket(answering, tmp_path):
    file = tmp_path / "cat.png"
    file.write_bytes(picture("a cat"))
    form = {"url": "https://bucket.test/", "fields": {"key": "cats/cat-1.png"}}
    started = {
        "id": "x",
        "key": "cats/cat-1.png",
        "upload": form,
        "expires_at": "2026-01-01T00:00Z",
    }
    client, requested = answering(
        httpx.Response(201, json=started), httpx.Response(204), api_key="secret"
    )
    assert client.upload(file, collection="cats") == started
    to_api, to_bucket = requested
    assert (str(to_api.url), to_api.headers["x-api-key"]) == (
        "https://api.test/live/v1/images",
        "secret",
    )
    assert to_bucket.url.host == "bucket.test"
    assert "x-api-key" not in to_bucket.headers
    assert b'"content_type":"image/png"' in to_api.read()
    body = to_bucket.read()
    assert body.index(b"cats/cat-1.png") < body.index(picture("a cat"))


# The schemas of the OpenAPI document and the types of the client.
TYPES = {
    "Took": responses.Took,
    "FoundImage": responses.Hit,
    "SearchResult": responses.Found,
    "ImageRecord": responses.Image,
    "UploadTo": responses.UploadForm,
    "Upload": responses.Upload,
    "ScoredLabel": responses.ScoredLabel,
    "ClassifyResult": responses.Classified,
    "LearnedLabels": responses.LearnedLabels,
    "DuplicateGroup": responses.DuplicateGroup,
    "DuplicateMatch": responses.DuplicateMatch,
    "DuplicateAnswer": responses.DuplicateCheck,
    "Health": responses.Health,
    "Waiting": responses.Waiting,
    "ModelChange": responses.ModelChange,
    "LabelSet": responses.LabelSet,
    "Failure": responses.Failure,
    "Wrong": responses.Problem,
    "Range": responses.Range,
    "CountedValue": responses.CountedValue,
    "FacetValues": responses.FacetValues,
    "FacetsByName": responses.FacetsByName,
    "FacetResult": responses.Facets,
    "CountedCollection": responses.Collection,
}
# Schemas of pages, which the client iterates, and of responses that say no more than success.
NOT_TYPED = {
    *(
        "BatchResult",
        "ImageList",
        "DuplicateGroups",
        "LabelSetList",
        "LabelSetLabels",
        "CollectionList",
    ),
    *("Deleted", "DeletedImage", "Kept", "Written", "Replaced"),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_has_every_field_of_the_openapi_document(name):
    schema = openapi()["components"]["schemas"][name]
    type = TYPES[name]
    assert type.__required_keys__ | type.__optional_keys__ == schema["properties"].keys()
    assert type.__required_keys__ == set(schema.get("required", ()))


def test_every_response_of_the_openapi_document_has_a_type():
    read = openapi()
    named = {
        content["schema"]["$ref"].rpartition("/")[2]
        for path in read["paths"].values()
        for operation in path.values()
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for content in response.get("content", {}).values()
        if "$ref" in content["schema"]
    }
    assert named
    assert named <= TYPES.keys() | NOT_TYPED


def test_the_path_of_an_image_file_is_not_a_text(api, fill, tmp_path, monkeypatch):
    fill({"cat.png": picture("a cat")})
    monkeypatch.chdir(tmp_path)
    Path("cat.png").write_bytes(picture("a cat"))
    Path("words").touch()
    for name in ("cat.png", str(tmp_path / "cat.png")):
        with pytest.raises(ValueError, match=r"is an image file: pass Path\("):
            api.search(name)
        with pytest.raises(ValueError, match="is an image file"):
            api.classify(name)
        assert api.search(image=name)["hits"][0]["score"] == pytest.approx(1)
    for text in ("dog.png", "words", "x" * 2000):
        api.search(text)
    with pytest.raises(ValueError, match="give a query"):
        api.search()


def test_a_text_and_an_image_are_a_mixture(answering):
    client, requested = answering(httpx.Response(200, json={}))
    client.search("a cat", image=b"bytes", limit=3)
    assert requested[0].read() == (
        b'{"query":{"terms":[{"text":"a cat"},{"image":"Ynl0ZXM="}]},"limit":3}'
    )


def test_the_hits_of_all_pages_are_iterated(api, fill):
    keys = {f"{number}.png" for number in range(5)}
    fill({key: picture(key) for key in keys})
    pages = list(api.search_pages("a cat", limit=2))
    assert [len(page["hits"]) for page in pages] == [2, 2, 1]
    assert {hit["key"] for hit in api.hits("a cat", limit=2)} == keys


def test_both_clients_have_the_same_methods():
    def methods(client):
        return {
            name: [*inspect.signature(method).parameters]
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_") and name not in ("close", "aclose")
        }

    assert methods(ImageSearch) == methods(AsyncImageSearch)


def test_the_asynchronous_client_retries_iterates_and_uploads(tmp_path):
    file = tmp_path / "cat.png"
    file.write_bytes(picture("a cat"))
    form = {"url": "https://bucket.test/", "fields": {"key": "k"}}
    left = [
        httpx.Response(503, headers={"retry-after": "0"}),
        httpx.Response(200, json={"images": [{"id": "1"}], "cursor": "next"}),
        httpx.Response(200, json={"images": [{"id": "2"}], "cursor": None}),
        httpx.Response(201, json={"id": "3", "key": "k", "upload": form}),
        httpx.Response(503, headers={"retry-after": "0"}),
        httpx.Response(204),
    ]
    requested = []

    async def answer(request):
        requested.append(str(request.url))
        return left.pop(0)

    async def use():
        transport = httpx.MockTransport(answer)
        async with AsyncImageSearch("https://api.test", transport=transport) as api:
            listed = [image["id"] async for image in api.images(limit=1)]
            return listed, await api.upload(str(file))

    # The browser's tests, earlier in this process, leave an event loop running in the main thread.
    with ThreadPoolExecutor() as thread:
        listed, uploaded = thread.submit(lambda: asyncio.run(use())).result()
    assert (listed, uploaded["id"]) == (["1", "2"], "3")
    assert requested[2] == "https://api.test/v1/images?status=indexed&limit=1&cursor=next"
    assert requested[-2:] == ["https://bucket.test/"] * 2


def test_a_retry_waits_as_the_response_says_or_longer_each_time():
    def wait(status=429, attempt=0, retries=9, **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return retry_wait(httpx.Response(status, headers=names), attempt, retries)

    assert wait(retry_after="7") == 7
    assert wait(503, retry_after="9999") == MAX_WAIT_SECONDS
    past = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    assert wait(retry_after=past) == 0
    for attempt, most in enumerate((0.5, 1, 2, 4, 8)):
        assert most / 2 <= wait(attempt=attempt, retry_after="soon") <= most
    assert wait(attempt=9) is None
    assert wait(500) is None
