"""What template.yaml promises of the API."""

import json
import re
from typing import Any

import pytest


@pytest.fixture
def api(resources) -> dict[str, Any]:
    return resources["SearchApi"]["Properties"]


@pytest.fixture
def routes(functions) -> dict[tuple[str, str], dict[str, Any]]:
    events = [event["Properties"] for event in functions["Search"]["Events"].values()]
    return {(event["Method"], event["Path"]): event for event in events}


@pytest.fixture
def answers(api) -> dict[str, dict[str, Any]]:
    """API Gateway's own answers, with what it fills in filled in."""
    return {
        kind: json.loads(
            answer["ResponseTemplates"]["application/json"].replace(
                "$context.error.messageString", '"said by API Gateway"'
            )
        )
        for kind, answer in api["GatewayResponses"].items()
    }


def test_everything_under_v1_needs_the_key(api, routes):
    assert api["Auth"]["ApiKeyRequired"] is True
    under_v1 = {route: event for route, event in routes.items() if route[1].startswith("/v1")}
    assert set(under_v1) == {("ANY", "/v1/{proxy+}")}
    assert all("Auth" not in event for event in under_v1.values())


def test_the_page_and_the_documents_need_no_key(routes):
    keyless = {route for route, event in routes.items() if "Auth" in event}
    assert keyless == {("GET", "/"), ("GET", "/docs"), ("GET", "/openapi.json")}
    assert all(routes[route]["Auth"] == {"ApiKeyRequired": False} for route in keyless)


def test_every_keyless_route_has_a_throttle_of_its_own(api, routes):
    bounded = {
        (each["HttpMethod"], "/" + each["ResourcePath"][1:].replace("~1", "/").lstrip("/"))
        for each in api["MethodSettings"]
        if isinstance(each["ThrottlingRateLimit"], int) and each["ThrottlingBurstLimit"]
    }
    assert bounded == {route for route, event in routes.items() if "Auth" in event}


def test_every_key_has_a_throttle_and_a_quota(api):
    plan = api["Auth"]["UsagePlan"]
    assert plan["CreateUsagePlan"] == "PER_API"
    assert plan["Throttle"]["RateLimit"] == {"Ref": "RequestsPerSecond"}
    assert plan["Quota"]["Limit"] == {"Ref": "RequestsPerDay"}


def test_image_bytes_arrive_whole_and_text_stays_text(api):
    assert api["BinaryMediaTypes"] == ["image~1*"]


def test_no_client_speaks_less_than_tls_1_2(api):
    assert api["SecurityPolicy"].startswith("SecurityPolicy_TLS13_1_2")


def test_each_request_leaves_a_line_of_json(api):
    line = re.sub(r"\$context\.[A-Za-z.]+", "x", api["AccessLogSetting"]["Format"])
    assert {"requestId", "status", "ms", "apiKeyId"} <= set(json.loads(line))


def test_api_gateways_own_answers_have_the_shape_of_all_others(answers):
    for answer in answers.values():
        assert set(answer) == {"error"}
        assert set(answer["error"]) == {"code", "message", "hint"}
        assert all(answer["error"].values())


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("INVALID_API_KEY", 403),
        ("MISSING_AUTHENTICATION_TOKEN", 404),
        ("REQUEST_TOO_LARGE", 413),
        ("THROTTLED", 429),
        ("QUOTA_EXCEEDED", 429),
        ("INTEGRATION_FAILURE", 503),
        ("INTEGRATION_TIMEOUT", 504),
    ],
)
def test_api_gateways_own_answers_have_the_right_status(api, kind, status):
    assert api["GatewayResponses"][kind]["StatusCode"] == status


def test_who_must_wait_is_told_how_long(api):
    for kind in ("THROTTLED", "QUOTA_EXCEEDED", "INTEGRATION_FAILURE"):
        headers = api["GatewayResponses"][kind]["ResponseParameters"]["Headers"]
        assert re.fullmatch(r"'[0-9]+'", headers["Retry-After"])


def test_whatever_else_goes_wrong_has_an_answer_too(answers):
    assert answers["DEFAULT_4XX"]["error"]["message"] == "said by API Gateway"
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= set(answers)


def test_the_stage_waits_for_the_role_that_lets_it_log(api):
    assert api["Variables"]["LogsRole"]["Fn::If"][:2] == [
        "SetsApiLogsRole",
        {"Ref": "ApiLogsAccount"},
    ]


def test_the_outputs_say_where_everything_is(template):
    assert {
        "ApiUrl",
        "PageUrl",
        "ApiKeyId",
        "ReadApiKey",
        "BucketName",
        "QueueUrl",
        "DeadLetterQueueUrl",
        "OpenSearchEndpoint",
    } <= set(template["Outputs"])
