"""Claims: each example of the OpenAPI document works on the sample photos, and errors of the server
are the documented ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.support.waiting import PATIENCE_SECONDS

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def api(
    serve: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A server over a few of the samples, with uploads."""
    from tests.e2e.conftest import reset_to_few

    folder = reset_to_few(tmp_path_factory.mktemp("examples") / "few")
    serving = serve(folder).start("--allow-uploads", "--allow-delete").ready()
    with httpx.Client(base_url=serving.url, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture(scope="module")
def document(api: httpx.Client) -> dict[str, Any]:
    return dict(api.get("/openapi.json").json())


def operations(document: dict[str, Any]) -> list[Operation]:
    return [
        (method.upper(), path, each)
        for path, methods in document["paths"].items()
        for method, each in methods.items()
    ]


def validate(document: dict[str, Any], operation: dict[str, Any], response: httpx.Response) -> None:
    content = operation["responses"][str(response.status_code)]["content"]
    media_type = response.headers["content-type"]
    if "application/json" not in content:
        assert content.keys() == {media_type}
        return
    schema = content["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(response.json())


def examples_of_parameters(operation: dict[str, Any], place: str = "query") -> dict[str, Any]:
    """The examples of parameters in the query or path; required ones in the query have one."""
    return {
        each["name"]: each["schema"]["examples"][0]
        for each in operation.get("parameters", ())
        if each["in"] == place and each["schema"].get("examples")
    }


def test_the_examples_of_requests_find_samples(api: httpx.Client, document: dict[str, Any]) -> None:
    """The images are the red square of the examples; URLs need more than samples.

    The IDs in the example of feedback are placeholders.
    """
    tried = 0
    search = api.get("/v1/search", params={"q": "an owl", "feedback": True}).json()
    placeholders = {"search_id": search["search_id"], "id": search["hits"][0]["id"]}
    for method, path, each in operations(document):
        content = each.get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, example in content.get("examples", {}).items():
            if path == "/v1/images" and name == "url":
                continue
            value = dict(example["value"])
            if path == "/v1/feedback":
                assert value.keys() >= placeholders.keys()
                value |= placeholders
            address = path.format_map(examples_of_parameters(each, "path"))
            response = api.request(method, address, json=value)
            assert response.is_success, (path, name, response.text)
            validate(document, each, response)
            tried += 1
            if path == "/v1/search":
                assert response.json()["hits"], name
    assert tried >= 10


def test_operations_without_a_body_answer_with_the_documented_shape(
    api: httpx.Client, document: dict[str, Any]
) -> None:
    api.put("/v1/labelsets/foxes", json={"labels": ["a fox"]})
    id = api.get("/v1/images").json()["images"][0]["id"]
    for method, path, each in operations(document):
        if method != "GET":
            continue
        address = path.replace("{id}", id).replace("{name}", "foxes")
        response = api.get(address, params=examples_of_parameters(each))
        assert response.status_code == 200, (path, response.text)
        validate(document, each, response)


def test_the_examples_of_errors_are_those_of_the_server(
    api: httpx.Client, document: dict[str, Any]
) -> None:
    requests: dict[str, dict[str, Any]] = {
        "400": {},
        "404": {},
        "415": {"content": b"text", "headers": {"content-type": "text/plain"}},
        "422": {"content": b"text", "headers": {"content-type": "image/png"}},
    }
    compared = set()
    for method, path, each in operations(document):
        for status, response in each["responses"].items():
            takes_image = "image/*" in each.get("requestBody", {}).get("content", {})
            if (
                status not in requests
                or (status == "404" and method != "GET")
                or (status == "422" and not takes_image)
            ):
                continue
            expected = response["content"]["application/json"]["example"]
            address = path.replace("{id}", "unknown").replace("{name}", "unknown")
            given = dict(requests[status])
            if status == "400":
                given["params"] = {**examples_of_parameters(each), "unknown": "1"}
            found = api.request(method, address, **given)
            assert (str(found.status_code), found.json()) == (status, expected), (method, path)
            compared.add(status)
    assert compared == set(requests)
