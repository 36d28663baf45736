"""Claims: only pages of the configured origin may call the API from a browser."""

import pytest

from functions.search.handler import make_handler
from functions.search.request_log import RequestLog
from tests.support.handlers import CONTEXT, answered, http

SITE = "https://shop.example"
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture
def ask(dependencies, logger, metrics):
    """Sends a request as a browser does from a page of `origin`."""

    def ask(method, path, origin, site=SITE):
        handler = make_handler(dependencies, RequestLog(logger, metrics), site)
        request = http(method, path)
        request["headers"] = {"Origin": origin}
        request["multiValueHeaders"] = {"Origin": [origin]}
        return answered(handler(request, CONTEXT))

    return ask


def test_the_sites_pages_may_read_answers_and_errors(ask):
    assert ask("GET", "/v1/health", SITE).headers[ALLOW] == SITE
    missing = ask("GET", "/v1/images/none", SITE)
    assert (missing.status, missing.headers[ALLOW]) == (404, SITE)


def test_a_browser_is_told_before_it_calls_what_it_may_send(ask):
    answer = ask("OPTIONS", "/v1/search", SITE)
    assert answer.status == 204
    assert answer.headers[ALLOW] == SITE
    assert {"GET", "POST"} <= set(answer.headers["Access-Control-Allow-Methods"].split(","))
    assert "x-api-key" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_pages_of_other_sites_may_read_nothing(ask, method):
    assert ALLOW not in ask(method, "/v1/search", "https://evil.example").headers


def test_a_star_is_every_site(ask):
    assert ask("GET", "/v1/health", SITE, site="*").headers[ALLOW] in ("*", SITE)


def test_without_a_site_there_is_no_such_header(ask):
    answer = ask("GET", "/v1/health", SITE, site=None)
    assert not any(name.startswith("Access-Control") for name in answer.headers)
    assert ask("OPTIONS", "/v1/search", SITE, site=None).status == 405
