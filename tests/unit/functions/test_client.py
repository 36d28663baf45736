"""Claims: the Python client sends the requests of its methods, and raises API errors."""

import httpx
import pytest

from functions.search.handler import make_handler
from functions.search.request_log import RequestLog
from imagesearch.client import ApiError, ImageSearch
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


def test_retries_of_a_busy_api_are_limited(answering):
    failure = {"error": {"code": "too_many_requests", "message": "Too many", "hint": "Wait"}}
    busy = httpx.Response(429, headers={"retry-after": "0"}, json=failure)
    client, requested = answering(busy, busy, retries=1)
    with pytest.raises(ApiError) as caught:
        client.health()
    assert caught.value.code == "too_many_requests"
    assert len(requested) == 2


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
    assert client.upload(file, "image/png", collection="cats") == started
    to_api, to_bucket = requested
    assert (str(to_api.url), to_api.headers["x-api-key"]) == (
        "https://api.test/live/v1/images",
        "secret",
    )
    assert to_bucket.url.host == "bucket.test"
    assert "x-api-key" not in to_bucket.headers
    body = to_bucket.read()
    assert body.index(b"cats/cat-1.png") < body.index(picture("a cat"))
