"""The page of a server on this machine installs models of the catalog, and nothing else does."""

import json
from typing import Any

import pytest

from imagesearch.access import key_bindings
from imagesearch.domain.ports import NextModel
from imagesearch.settings import Settings
from local.web.application import Access, application
from local.web.auth import ApiKeys
from local.web.hosts import AllowedHosts
from local.web.models import ModelRoutes, SwitchInProgress
from local.workspace import Workspace
from tests.unit.local.conftest import Get

INSTALL = "/v1/models/clip-vit-b-32/install"


class FakeSwitch:
    def __init__(self) -> None:
        self.model = "starter"
        self.started: list[str] = []

    def status(self) -> NextModel | None:
        return None

    def start(self, name: str) -> NextModel:
        if self.started:
            raise SwitchInProgress(self.started[0])
        self.started.append(name)
        return NextModel(name, "downloading")


@pytest.fixture
def switch() -> FakeSwitch:
    return FakeSwitch()


@pytest.fixture
def routes(switch: FakeSwitch) -> ModelRoutes:
    return ModelRoutes(switch, key_bindings(""))


def code(answer: Any) -> str:
    return str(json.loads(answer.body)["error"]["code"])


def test_clip_is_offered_where_the_starter_model_is_in_use(
    routes: ModelRoutes,
    switch: FakeSwitch,
    call: Get,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.setenv("IMAGESEARCH_CACHE", str(tmp_path))
    found = json.loads(call(routes, "/v1/models").body)
    folder = str(tmp_path / "models")
    offer = {"name": "clip-vit-b-32", "bytes": 155_845_627, "folder": folder, "installed": False}
    assert found == {"model": "starter", "offer": offer}
    switch.model = "clip-vit-b-32"
    assert json.loads(call(routes, "/v1/models").body)["offer"] is None


def test_an_installation_is_started_once(
    routes: ModelRoutes, switch: FakeSwitch, call: Get
) -> None:
    answer = call(routes, INSTALL, "POST", HTTP_ORIGIN="http://localhost:8000")
    assert answer.status == "202 Accepted"
    assert json.loads(answer.body)["state"] == "downloading"
    again = call(routes, INSTALL, "POST")
    assert (again.status, code(again)) == ("409 Conflict", "switch_in_progress")
    assert switch.started == ["clip-vit-b-32"]


@pytest.mark.parametrize(
    ("path", "method", "expected"),
    [
        ("/v1/models/nothing/install", "POST", "unknown_model"),
        ("/v1/models/../install", "POST", "unknown_model"),
        ("/v1/models/starter/install", "POST", "model_in_use"),
        (INSTALL, "GET", "method_not_allowed"),
        ("/v1/models", "DELETE", "method_not_allowed"),
        ("/v1/models/clip-vit-b-32", "POST", "unknown_route"),
        ("/v1/models/clip-vit-b-32/delete", "POST", "unknown_route"),
        ("/v1/modelsx", "GET", "unknown_route"),
    ],
)
def test_other_requests_get_an_error(
    routes: ModelRoutes, switch: FakeSwitch, call: Get, path: str, method: str, expected: str
) -> None:
    assert code(call(routes, path, method)) == expected
    assert switch.started == []


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ORIGIN": "https://evil.test"},
        {"HTTP_ORIGIN": "null"},
        {"HTTP_ORIGIN": "http://localhost:9000"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"HTTP_SEC_FETCH_SITE": "same-site"},
    ],
)
def test_pages_of_other_sites_have_no_access(
    routes: ModelRoutes, switch: FakeSwitch, call: Get, headers: dict[str, str]
) -> None:
    for path, method in (("/v1/models", "GET"), (INSTALL, "POST")):
        answer = call(routes, path, method, **headers)
        assert (answer.status[:3], code(answer)) == ("403", "foreign_origin")
    assert switch.started == []


def test_a_key_that_is_limited_to_collections_has_no_access(switch: FakeSwitch, call: Get) -> None:
    routes = ModelRoutes(switch, key_bindings("shop=cats,office=*"))
    answer = call(routes, INSTALL, "POST", **{"imagesearch.key_id": "shop"})
    assert (answer.status[:3], code(answer)) == ("403", "not_allowed")
    assert call(routes, INSTALL, "POST", **{"imagesearch.key_id": "office"}).status[:3] == "202"


@pytest.mark.parametrize(
    ("host", "cors", "offered"),
    [
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("0.0.0.0", None, False),  # noqa: S104
        ("192.0.2.7", None, False),
        ("127.0.0.1", "https://photos.test", False),
    ],
)
def test_the_routes_exist_on_loopback_only(
    switch: FakeSwitch,
    call: Get,
    tmp_path: Any,
    host: str,
    cors: str | None,
    offered: bool,
) -> None:
    def api(environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [])
        return []

    settings = Settings(
        bucket=tmp_path.as_uri(), index_url="sqlite:///x", model_uri="m", cors_origin=cors
    )
    access = Access(host, ApiKeys({}), AllowedHosts(host))
    app = application(Workspace(tmp_path, tmp_path), api, bool, access, settings, switch)
    assert call(app, INSTALL, "POST").status[:3] == ("202" if offered else "404")
    assert switch.started == (["clip-vit-b-32"] if offered else [])
    if host == "127.0.0.1":
        assert call(app, "/v1/models", HTTP_HOST="photos.test").status[:3] == "421"


def test_with_a_key_the_routes_need_it(switch: FakeSwitch, call: Get, tmp_path: Any) -> None:
    settings = Settings(bucket=tmp_path.as_uri(), index_url="sqlite:///x", model_uri="m")
    keys = ApiKeys({"default": "secret"})
    access = Access("127.0.0.1", keys, AllowedHosts("127.0.0.1"))
    app = application(Workspace(tmp_path, tmp_path), lambda *_: [], bool, access, settings, switch)
    assert call(app, INSTALL, "POST").status[:3] == "403"
    assert call(app, INSTALL, "POST", HTTP_X_API_KEY="secret").status[:3] == "202"
