"""A path prefix of a reverse proxy is part of every URL, and cannot name another host."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.search.http.base_path import base_path, public_url, split_base_path
from local.errors import UsageError
from local.web.gateway import Gateway
from local.web.root_path import RootPath, root_path_of
from tests.support.handlers import http

Call = Callable[..., Any]


def answer(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """The base path and the route as the search function sees them, and a URL of a file."""
    base, path = split_base_path(event)
    base_path.set(base)
    return {"statusCode": 200, "body": json.dumps([base, path, public_url("/files/a.jpg")])}


@pytest.fixture
def photos() -> RootPath:
    return RootPath(Gateway(answer), "/photos")


@pytest.mark.parametrize("path", ["/photos/v1/images/ä", "/v1/images/ä"])
def test_the_prefix_may_be_removed_by_the_proxy_or_not(path: str, photos: RootPath, call: Call):
    found = json.loads(call(photos, path).body)
    assert found == ["/photos", "/v1/images/ä", "/photos/files/a.jpg"]


def test_the_prefix_itself_leads_to_the_page(photos: RootPath, call: Call):
    moved = call(photos, "/photos")
    assert (moved.status[:3], moved.headers["Location"]) == ("308", "/photos/")
    assert json.loads(call(photos, "/photos/").body)[:2] == ["/photos", "/"]
    assert json.loads(call(photos, "/photosynthesis").body)[1] == "/photosynthesis"


@pytest.mark.parametrize(
    ("address", "base"), [("127.0.0.1", "/pics"), ("::1", "/pics"), ("192.0.2.7", "/photos")]
)
def test_the_header_of_a_proxy_on_this_machine_replaces_the_prefix(
    address: str, base: str, photos: RootPath, call: Call
):
    sent = {"HTTP_X_FORWARDED_PREFIX": "/pics/", "REMOTE_ADDR": address}
    assert json.loads(call(photos, "/v1/health", **sent).body)[0] == base


INVALID = ["//evil.example", "/a//b", "https://evil.example", "/../x", "/a b", "/a\r\nX: y", "/é"]


@pytest.mark.parametrize("prefix", [*INVALID, "a", "/" + "a" * 500])
def test_an_invalid_prefix_is_refused(prefix: str, photos: RootPath, call: Call):
    refused = call(photos, "/v1/health", HTTP_X_FORWARDED_PREFIX=prefix)
    assert refused.status == "400 Bad Request"
    with pytest.raises(UsageError):
        root_path_of(prefix)


SEGMENTS = st.lists(st.sampled_from(["v1", "photos", "a%20b", "search", "ä"]), max_size=3)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(mapping=SEGMENTS, stage=st.booleans(), route=SEGMENTS, end=st.sampled_from(["", "/"]))
def test_a_base_path_of_a_custom_domain_is_separated_from_the_route(mapping, stage, route, end):
    base = "".join(f"/{each}" for each in mapping)
    proxy = "/".join(route or ["health"]) + end
    path = f"/v1/{proxy}"
    # A stage is part of the context's path only, a base path of both.
    event = http("GET", f"{base}{path}") | {
        "resource": "/v1/{proxy+}",
        "pathParameters": {"proxy": proxy.replace("%20", " ")},
        "requestContext": {"path": f"/live{path}" if stage and not base else f"{base}{path}"},
    }
    assert split_base_path(event) == ("/live" if stage and not base else base, path)


@pytest.mark.parametrize("resource", ["/", "/docs", "/openapi.json"])
@pytest.mark.parametrize("stage", ["", "/live"])
@pytest.mark.parametrize("base", ["", "/photos", "/a/b"])
def test_pages_below_a_base_path_are_found(resource: str, base: str, stage: str):
    path = base + resource
    for requested in {path, path.rstrip("/") or "/"}:
        context = {"path": (stage + requested).rstrip("/") or "/"}
        event = {"resource": resource, "path": requested, "requestContext": context}
        assert split_base_path(event) == (stage + base, resource)
