"""Claims: every error of every operation in the OpenAPI document has an example, which is the
response of the handlers, of the gateway in template.yaml or of the local server."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from functions.search.errors import error_response
from functions.search.openapi.error_examples import REQUEST_ID, UNREADABLE
from functions.search.request_log import RequestLog
from functions.search.requests import MAX_JSON, MAX_RAW_IMAGE
from imagesearch.adapters.web_images import not_an_image
from imagesearch.domain.errors import Unavailable
from imagesearch.embedding.decoding.formats import unsupported_format
from local.web.errors import FORBIDDEN, HEADERS_TOO_LARGE
from tests.support.paths import REPOSITORY

# Required parameters, and bodies that name an image or a label set without a record.
PARAMETERS = {"/v1/search": {"q": "an owl"}}
UNKNOWN_IMAGE: dict[str, Any] = {
    "/v1/search": {"query": {"id": "unknown"}},
    "/v1/facets": {"query": {"id": "unknown"}},
    "/v1/duplicates/check": {"id": "unknown"},
    "/v1/classify": {"id": "unknown", "labels": ["an owl", "a fox"]},
}

LABELS: dict[str, Any] = {
    "PUT": {"labels": ["an owl", "a fox"], "examples": {"an owl": ["unknown"]}},
    "POST": {"labels": ["an owl"]},
}


@pytest.fixture
def examples(ask) -> list[tuple[str, str, str, dict]]:
    """Method, path, status and example of each error in the document."""
    paths = ask("GET", "/openapi.json").json["paths"]
    return [
        (method.upper(), path.format(id="unknown", name="unknown"), status, example)
        for path, methods in paths.items()
        for method, operation in methods.items()
        for status, response in operation["responses"].items()
        if status >= "300"
        for example in [response["content"]["application/json"].get("example")]
    ]


def test_every_error_has_an_example_of_the_common_shape(examples):
    assert len(examples) > 100
    for method, path, status, example in examples:
        assert example, (method, path, status)
        assert all(example["error"][part] for part in ("code", "message", "hint"))
        assert example["error"].keys() == {"code", "message", "hint"}


def requests_of(method: str, path: str, status: str) -> Iterator[dict[str, Any]]:
    """The arguments of requests that are answered with a status."""
    if status == "400":
        given = {"body": {}} if method in ("POST", "PUT") else PARAMETERS.get(path, {})
        yield given | {"unknown": "1"}
    elif status == "404" and path in UNKNOWN_IMAGE:
        yield {"body": UNKNOWN_IMAGE[path]}
    elif status == "404" and (method == "GET" or path.startswith("/v1/labelsets/")):
        yield {"body": LABELS[method]} if method in LABELS else {}
    elif status == "413":
        is_image = path in UNKNOWN_IMAGE
        yield (
            {"body": bytes(MAX_RAW_IMAGE + 1), "type": "image/png"}
            if is_image
            else {"body": " " * (MAX_JSON + 1)}
        )
    elif status == "415":
        yield {"body": "text", "type": "text/plain"}


def test_the_examples_are_the_responses_of_the_handlers(ask, examples):
    tried = set()
    for method, path, status, example in examples:
        for given in requests_of(method, path, status):
            answer = ask(method, path, **given)
            assert (answer.status, answer.json) == (int(status), example), (method, path)
            tried.add(status)
    assert tried == {"400", "404", "413", "415"}


def test_the_examples_of_files_are_the_errors_of_the_decoder(examples):
    error = unsupported_format(b"no image")
    assert (UNREADABLE.code, UNREADABLE.message, UNREADABLE.hint) == (
        error.code,
        error.message,
        error.hint,
    )
    found = {
        path: each["error"]["message"] for _, path, status, each in examples if status == "422"
    }
    assert found.pop("/v1/images") == not_an_image().message
    assert set(found.values()) == {error.message}


def test_the_examples_of_failures_are_the_responses_to_them(examples, logger, metrics):
    log = RequestLog(logger, metrics)
    log.begin(REQUEST_ID)
    for status, error in (("500", RuntimeError("defect")), ("503", Unavailable("host", "role"))):
        response = error_response(error, log)
        assert response.status_code == int(status)
        expected = json.loads(response.body)
        assert all(each == expected for _, _, found, each in examples if found == status)


def test_the_examples_of_the_gateway_are_those_of_the_template_and_the_local_server(examples):
    template = re.sub(r"\s*\n\s*", "", (REPOSITORY / "template.yaml").read_text())
    local_errors = {"403": FORBIDDEN, "431": HEADERS_TOO_LARGE}
    for status in ("401", "403", "429", "431", "502", "504"):
        local = local_errors.get(status)
        [body] = {json.dumps(each) for _, _, found, each in examples if found == status}
        assert not local or json.loads(local.body()) == json.loads(body)
        if status != "431":  # the text of API Gateway is in $context.error.messageString
            assert json.dumps(json.loads(body), separators=(",", ":")) in template


def test_a_method_without_an_operation_has_an_example(ask):
    [response] = ask("GET", "/openapi.json").json["components"]["responses"].values()
    answer = ask("DELETE", "/v1/search")
    assert response["description"].startswith(f"{answer.status}: ")
    assert response["content"]["application/json"]["example"] == answer.json
    assert answer.headers.keys() >= response["headers"].keys()
