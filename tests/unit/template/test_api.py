"""Claims about the API in template.yaml."""

import json
import re
from typing import Any

import pytest

from local.web.gateway import BINARY_TYPES


@pytest.fixture
def api(resources) -> dict[str, Any]:
    return resources["SearchApi"]["Properties"]


@pytest.fixture
def routes(api) -> dict[str, dict[str, Any]]:
    return api["DefinitionBody"]["paths"]


@pytest.fixture
def answers(api) -> dict[str, dict[str, Any]]:
    """The gateway responses of API Gateway, with its variables filled in."""
    return {
        kind: json.loads(
            answer["ResponseTemplates"]["application/json"].replace(
                "$context.error.messageString", '"message of API Gateway"'
            )
        )
        for kind, answer in api["GatewayResponses"].items()
    }


def test_every_route_under_v1_uses_the_access_parameter(routes):
    under_v1 = {path: methods for path, methods in routes.items() if path.startswith("/v1")}
    [(path, methods)] = under_v1.items()
    assert path == "/v1/{proxy+}"
    assert methods["x-amazon-apigateway-any-method"]["security"] == {
        "Fn::If": [
            "UsesApiKey",
            [{"api_key": []}],
            {"Fn::If": ["UsesCognito", [{"cognito": []}], [{"sigv4": []}]]},
        ]
    }


def test_the_default_access_is_an_api_key(template):
    assert template["Parameters"]["Access"]["Default"] == "ApiKey"
    assert template["Conditions"]["UsesApiKey"] == {"Fn::Equals": [{"Ref": "Access"}, "ApiKey"]}


def test_the_page_and_the_api_documents_need_no_authorization(routes):
    keyless = {
        path for path, methods in routes.items() if methods.get("get", {}).get("security") == []
    }
    assert keyless == {"/", "/assets/{proxy+}", "/docs", "/openapi.json"}


def test_every_route_leads_to_the_published_function(routes, functions):
    reached = {
        (path, method): operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        for path, methods in routes.items()
        for method, operation in methods.items()
        if method != "options"
    }
    assert all("${SearchAliaslive}" in uri for uri in reached.values())
    events = {each["Properties"]["Path"] for each in functions["Search"]["Events"].values()}
    assert events == {path for path, _ in reached}  # without an event there is no permission


def test_preflight_requests_need_no_key_if_cors_is_enabled(routes):
    condition, preflight, otherwise = routes["/v1/{proxy+}"]["options"]["Fn::If"]
    assert (condition, otherwise) == ("HasCorsOrigin", {"Ref": "AWS::NoValue"})
    assert preflight["security"] == []
    answer = preflight["x-amazon-apigateway-integration"]["responses"]["default"]
    headers = answer["responseParameters"]
    assert headers["method.response.header.Access-Control-Allow-Origin"] == {
        "Fn::Sub": "'${CorsOrigin}'"
    }
    declared = preflight["responses"][answer["statusCode"]]["headers"]
    assert {f"method.response.header.{name}" for name in declared} == set(headers)


def test_every_keyless_route_has_its_own_throttle(api, routes):
    bounded = {
        "/" + each["ResourcePath"][1:].replace("~1", "/").lstrip("/")
        for each in api["MethodSettings"]
        if isinstance(each["ThrottlingRateLimit"], int) and each["ThrottlingBurstLimit"]
    }
    assert bounded == {path for path in routes if not path.startswith("/v1")}


def test_the_metrics_of_methods_are_not_billed(api):
    """Metrics of the stage are free, and the alarms and the dashboard use no others."""
    assert {each.get("MetricsEnabled", False) for each in api["MethodSettings"]} == {False}


def test_every_key_has_a_throttle_and_a_quota(api):
    plan = api["Auth"]["UsagePlan"]
    assert plan["CreateUsagePlan"] == "PER_API"
    assert plan["Throttle"]["RateLimit"] == {"Ref": "RequestsPerSecond"}
    assert plan["Quota"]["Limit"] == {"Ref": "RequestsPerDay"}


def test_image_bytes_are_binary_and_text_is_text(api):
    assert [each.replace("~1", "/").rstrip("*") for each in api["BinaryMediaTypes"]] == [
        *BINARY_TYPES
    ]


def test_clients_need_tls_1_2(api):
    assert api["SecurityPolicy"].startswith("SecurityPolicy_TLS13_1_2")


def test_each_request_is_logged_as_a_json_line(api):
    line = re.sub(r"\$context\.[A-Za-z.]+", "x", api["AccessLogSetting"]["Format"])
    assert {"requestId", "status", "ms", "apiKeyId"} <= set(json.loads(line))


def test_gateway_responses_have_the_common_schema(answers):
    for answer in answers.values():
        assert set(answer) == {"error"}
        assert set(answer["error"]) == {"code", "message", "hint"}
        assert all(answer["error"].values())


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("INVALID_API_KEY", 403),
        ("INVALID_SIGNATURE", 403),
        ("REQUEST_TOO_LARGE", 413),
        ("THROTTLED", 429),
        ("QUOTA_EXCEEDED", 429),
        ("INTEGRATION_FAILURE", 503),
        ("INTEGRATION_TIMEOUT", 504),
    ],
)
def test_gateway_responses_have_the_documented_status(api, kind, status):
    assert api["GatewayResponses"][kind]["StatusCode"] == status


def test_a_request_without_a_signature_is_403_and_an_unknown_path_404(api, template):
    responses = api["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    [answer] = responses.values()
    assert answer["statusCode"] == {"Fn::If": ["UsesIam", "403", "404"]}
    assert template["Conditions"]["UsesIam"] == {"Fn::Equals": [{"Ref": "Access"}, "Iam"]}
    condition, unsigned, unknown = answer["responseTemplates"]["application/json"]["Fn::If"]
    assert condition == "UsesIam"
    assert "not signed" in json.loads(unsigned)["error"]["message"]
    assert json.loads(unsigned)["error"]["code"] == "forbidden"
    assert json.loads(unknown)["error"]["code"] == "unknown_route"


def test_throttled_responses_have_retry_after(api):
    for kind in ("THROTTLED", "QUOTA_EXCEEDED", "INTEGRATION_FAILURE"):
        headers = api["GatewayResponses"][kind]["ResponseParameters"]["Headers"]
        assert re.fullmatch(r"'[0-9]+'", headers["Retry-After"])


def test_every_other_gateway_error_has_a_response(answers):
    assert answers["DEFAULT_4XX"]["error"]["message"] == "message of API Gateway"
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= set(answers)


def test_the_stage_depends_on_its_logging_role(api):
    assert api["Variables"]["LogsRole"]["Fn::If"][:2] == [
        "SetsApiLogsRole",
        {"Ref": "ApiLogsAccount"},
    ]


def test_the_outputs_contain_every_url_and_name(template):
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
