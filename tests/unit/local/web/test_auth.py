"""Unknown host names, other origins and wrong keys do not reach the application.

A server can have one key, or several named keys.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from local.errors import UsageError
from local.web.auth import ApiKeys, Auth
from local.web.hosts import AllowedHosts

Call = Callable[..., Any]


def app(_: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("X-App", "reached")])
    return [b"fine"]


OWN = AllowedHosts("127.0.0.1")
LOCAL = Auth(app, OWN, ApiKeys({}))
KEYED = Auth(app, OWN, ApiKeys({"default": "the key"}))


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", "192.0.2.7"])  # noqa: S104
@pytest.mark.parametrize("path", ["/", "/docs", "/v1/search", "/files/a.jpg", "/upload", "/x"])
def test_another_host_name_is_rejected_on_every_path(call: Call, bound: str, path: str) -> None:
    for keys in (ApiKeys({}), ApiKeys({"default": "the key"})):
        auth = Auth(app, AllowedHosts(bound), keys)
        sent = {"HTTP_HOST": "rebound.example:8000", "HTTP_X_API_KEY": "the key"}
        for method in ("GET", "POST", "OPTIONS"):
            answer = call(auth, path, method, **sent)
            assert answer.status == "421 Misdirected Request"
            assert b"foreign_host" in answer.body


def test_a_page_of_another_origin_cannot_change_anything(call: Call) -> None:
    origin = {"HTTP_ORIGIN": "https://evil.example"}
    assert call(LOCAL, "/v1/images/x", "DELETE", **origin).status == "403 Forbidden"
    assert call(LOCAL, "/v1/search", "POST", HTTP_ORIGIN="null").status == "403 Forbidden"
    own = {"HTTP_ORIGIN": "http://localhost:8000"}
    assert call(LOCAL, "/v1/search", "POST", **own).status == "200 OK"


@pytest.mark.parametrize(
    "path", ["/v1/search?q=x", "/v1/health", "/files/a.jpg", "/thumbnails/x/y.webp"]
)
def test_a_configured_key_protects_the_api_and_the_files(call: Call, path: str) -> None:
    for wrong in ({}, {"HTTP_X_API_KEY": "wrong"}, {"HTTP_X_API_KEY": "ключ"}):
        answer = call(KEYED, path, **wrong)
        assert answer.status == "403 Forbidden"
        assert b'"forbidden"' in answer.body
    assert call(KEYED, path, HTTP_X_API_KEY="the key").status == "200 OK"


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json"])
def test_a_configured_key_does_not_protect_the_pages(call: Call, path: str) -> None:
    assert call(KEYED, path).status == "200 OK"


def test_the_session_cookie_grants_access_to_files_only(call: Call) -> None:
    cookie = call(KEYED, "/v1/health", HTTP_X_API_KEY="the key").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    given = {"HTTP_COOKIE": cookie.partition(";")[0]}
    assert call(KEYED, "/files/a.jpg", **given).status == "200 OK"
    assert call(KEYED, "/thumbnails/x/y.webp", **given).status == "200 OK"
    assert call(KEYED, "/v1/health", **given).status == "403 Forbidden"
    forged = {"HTTP_COOKIE": "imagesearch-files=forged"}
    assert call(KEYED, "/files/a.jpg", **forged).status == "403 Forbidden"


def test_the_cookie_is_found_among_others(call: Call) -> None:
    cookie = call(KEYED, "/v1/health", HTTP_X_API_KEY="the key").headers["Set-Cookie"]
    several = {"HTTP_COOKIE": f'a=b; broken;{cookie.partition(";")[0]} ; c="d\\'}
    assert call(KEYED, "/files/a.jpg", **several).status == "200 OK"


def test_a_cookie_that_is_expensive_to_parse_is_rejected_immediately(call: Call) -> None:
    started = time.process_time()
    cookie = {"HTTP_COOKIE": 'imagesearch-files="' + "\\" * 120_000}
    assert call(KEYED, "/files/a.jpg", **cookie).status == "403 Forbidden"
    assert time.process_time() - started < 5


SITE = "https://shop.example"
OPEN = Auth(app, OWN, ApiKeys({"default": "the key"}), SITE)


def test_pages_of_the_configured_origin_can_call_with_the_key(call: Call) -> None:
    wanted = {"HTTP_ORIGIN": SITE, "HTTP_X_API_KEY": "the key"}
    assert call(OPEN, "/v1/search", "POST", **wanted).status == "200 OK"
    assert call(OPEN, "/v1/search", "POST", HTTP_ORIGIN=SITE).status == "403 Forbidden"
    other = wanted | {"HTTP_ORIGIN": "https://evil.example"}
    assert call(OPEN, "/v1/search", "POST", **other).status == "403 Forbidden"


def test_a_preflight_request_needs_no_key(call: Call) -> None:
    assert call(OPEN, "/v1/search", "OPTIONS", HTTP_ORIGIN=SITE).status == "200 OK"
    assert call(KEYED, "/v1/search", "OPTIONS", HTTP_ORIGIN=SITE).status == "403 Forbidden"


def test_one_key_and_more_are_read_from_the_environment() -> None:
    keys = ApiKeys.from_environment(
        {"IMAGESEARCH_API_KEY": "one", "IMAGESEARCH_API_KEYS": "shop=two,office=thr=ee"}
    )
    found = {key: keys.holder(key) for key in ("one", "two", "thr=ee", "", "four")}
    assert found == {"one": "default", "two": "shop", "thr=ee": "office", "": None, "four": None}
    assert keys


def test_requests_need_no_key_if_none_is_configured() -> None:
    assert not ApiKeys.from_environment({})


def test_a_cookie_identifies_its_key_without_revealing_it() -> None:
    keys = ApiKeys({"shop": "secret", "office": "other"})
    assert keys.holder_of_cookie(keys.cookie("shop")) == "shop"
    assert keys.holder_of_cookie("secret") is None
    assert "secret" not in keys.cookie("shop")


@pytest.mark.parametrize("text", ["shop", "=key", "shop=", "shop=a,shop=b", "default=a"])
def test_an_invalid_list_of_keys_is_rejected(text: str) -> None:
    with pytest.raises(UsageError, match="shop=key1"):
        ApiKeys.from_environment({"IMAGESEARCH_API_KEY": "x", "IMAGESEARCH_API_KEYS": text})


@pytest.mark.parametrize(
    ("keys", "bindings", "reason"),
    [
        ({"shop": "1"}, "shpo=cats", "names shpo, which is no key of this server (shop)"),
        ({}, "shop=cats", "set IMAGESEARCH_API_KEYS"),
        ({"shop": "1", "office": "2"}, "shop=cats", "add office=COLLECTION, or office=*"),
        ({"shop": "1"}, "shop", "must be a list such as"),
    ],
)
def test_a_server_whose_bindings_do_not_fit_its_keys_does_not_start(keys, bindings, reason):
    with pytest.raises(UsageError, match=re.escape(reason)):
        ApiKeys(keys).check_bindings(bindings)


def test_a_server_whose_bindings_name_each_key_starts():
    ApiKeys({}).check_bindings("")
    ApiKeys({"shop": "1", "office": "2"}).check_bindings("shop=cats,office=*")
