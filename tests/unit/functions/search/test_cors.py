"""Claims: only pages of the configured origin may call the API from a browser."""

import pytest

from functions.search.handler import make_handler
from functions.search.request_log import RequestLog
from tests.support.handlers import CONTEXT, http, parse_response

SITE = "https://shop.example"
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture
def ask(dependencies, logger, metrics):
    """Sends a request like a browser from a page of `origin`."""

    def ask(method, path, origin, site=SITE):
        handler = make_handler(dependencies, RequestLog(logger, metrics), site)
        request = http(method, path)
        request["headers"] = {"Origin": origin}
        request["multiValueHeaders"] = {"Origin": [origin]}
        return parse_response(handler(request, CONTEXT))

    return ask


def test_pages_of_the_configured_origin_can_read_responses_and_errors(ask):
    assert ask("GET", "/v1/health", SITE).headers[ALLOW] == SITE
    missing = ask("GET", "/v1/images/none", SITE)
    assert (missing.status, missing.headers[ALLOW]) == (404, SITE)


def test_a_preflight_response_lists_the_allowed_methods_and_headers(ask):
    answer = ask("OPTIONS", "/v1/search", SITE)
    assert answer.status == 204
    assert answer.headers[ALLOW] == SITE
    assert {"GET", "POST"} <= set(answer.headers["Access-Control-Allow-Methods"].split(","))
    assert "x-api-key" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_pages_of_other_origins_cannot_read_responses(ask, method):
    assert ALLOW not in ask(method, "/v1/search", "https://evil.example").headers


def test_a_star_allows_every_origin(ask):
    assert ask("GET", "/v1/health", SITE, site="*").headers[ALLOW] in ("*", SITE)


def test_no_cors_header_is_sent_without_an_origin(ask):
    answer = ask("GET", "/v1/health", SITE, site=None)
    assert not any(name.startswith("Access-Control") for name in answer.headers)
    assert ask("OPTIONS", "/v1/search", SITE, site=None).status == 405
