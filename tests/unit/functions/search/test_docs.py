"""Claims: the OpenAPI document is valid and complete; pages are self-contained and restricted."""

import base64
import gzip
import hashlib
import json
import re

import pytest
from openapi_spec_validator import validate

from functions.search.handler import make_handler
from functions.search.pages import security_headers
from functions.search.request_log import RequestLog
from functions.search.search_page import assets, assets_version
from imagesearch.domain.media_types import EXTENSIONS_OF, RAW_EXTENSIONS_OF
from tests.support.fakes import picture, ref
from tests.support.handlers import CONTEXT, http, parse_response


@pytest.fixture
def document(ask) -> dict:
    answer = ask("GET", "/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json


def operations(document: dict) -> list[tuple[str, str, dict]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_valid(document):
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_the_document_lists_every_operation_under_v1_and_no_page(document):
    assert {(method, path) for method, path, _ in operations(document)} == {
        ("get", "/v1/search"),
        ("post", "/v1/search"),
        ("post", "/v1/search/batch"),
        ("get", "/v1/images"),
        ("post", "/v1/images"),
        ("delete", "/v1/images/{id}"),
        ("get", "/v1/images/{id}"),
        ("get", "/v1/images/{id}/preview"),
        ("get", "/v1/images/{id}/similar"),
        ("get", "/v1/duplicates"),
        ("post", "/v1/duplicates/check"),
        ("post", "/v1/classify"),
        ("post", "/v1/feedback"),
        ("get", "/v1/facets"),
        ("post", "/v1/facets"),
        ("get", "/v1/collections"),
        ("get", "/v1/labelsets"),
        ("get", "/v1/labelsets/{name}"),
        ("put", "/v1/labelsets/{name}"),
        ("delete", "/v1/labelsets/{name}"),
        ("post", "/v1/labelsets/{name}/labels"),
        ("get", "/v1/health"),
    }


def test_every_operation_requires_the_key(document):
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"] == {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
    }


def test_every_operation_and_parameter_is_described(document):
    for _, _, operation in operations(document):
        assert operation["summary"]
        for parameter in operation.get("parameters", []):
            assert parameter["description"], parameter


def test_every_field_is_described(document):
    schemas = document["components"]["schemas"]

    def is_described(field: dict) -> bool:
        named = schemas[field["$ref"].rpartition("/")[2]] if "$ref" in field else {}
        return (
            "description" in field
            or "description" in named
            or any(map(is_described, field.get("anyOf", [])))
        )

    missing = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, described in schema.get("properties", {}).items()
        if not is_described(described)
    ]
    assert missing == []


def test_the_examples_work(ask, document, fill):
    """The example of feedback is exempt, because it needs a recent search."""
    fill({"a.png": picture("a dog on a beach")})
    requested = [
        (method.upper(), path.replace("{name}", "species"), example["value"])
        for method, path, operation in operations(document)
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for example in content.get("examples", {}).values()
        if path not in ("/v1/feedback", "/v1/images")
    ]
    assert len(requested) > 8
    for method, path, example in requested:
        answer = ask(method, path, example)
        assert answer.status in (200, 201), (path, answer.body)


def test_every_error_has_the_common_schema(document):
    for _, _, operation in operations(document):
        statuses = set(operation["responses"])
        assert {"400", "403", "429", "500", "503"} <= statuses
        [good] = [status for status in statuses if status < "300"]
        for status in statuses - {good}:
            response = operation["responses"][status]
            schema = response["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Failure"}
            assert ("Retry-After" in response.get("headers", {})) is (status in ("429", "503"))


def test_a_search_can_be_json_or_an_image(document):
    body = document["paths"]["/v1/search"]["post"]["requestBody"]
    assert body["required"]
    assert set(body["content"]) == {
        *("application/json", "image/*", "application/octet-stream", "multipart/form-data"),
    }
    assert {"404", "413", "415", "422"} <= set(document["paths"]["/v1/search"]["post"]["responses"])


def test_the_limits_are_documented(document):
    [limit] = [
        parameter["schema"]
        for parameter in document["paths"]["/v1/search"]["get"]["parameters"]
        if parameter["name"] == "limit"
    ]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 100, 10)
    text = document["components"]["schemas"]["PostedQuery"]["properties"]["text"]["anyOf"][0]
    assert (text["minLength"], text["maxLength"]) == (1, 2_000)
    for figure in ("4,500,000 bytes", "3,000,000", "100 megapixels", "1,000 hits"):
        assert figure in document["info"]["description"]


def test_no_schema_of_the_framework_is_documented(document):
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_reference_resolves(document):
    schemas = document["components"]["schemas"]
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert names <= set(schemas)


def test_the_server_url_contains_the_stage_of_the_request(document):
    assert document["servers"] == [{"url": "/Prod"}]


def test_the_server_url_of_a_custom_domain_is_its_base_path(dependencies, logger, metrics):
    handler = make_handler(dependencies, RequestLog(logger, metrics))
    path = "/photos/openapi.json"
    event = http("GET", path) | {"resource": "/openapi.json", "requestContext": {"path": path}}
    assert parse_response(handler(event, CONTEXT)).json["servers"] == [{"url": "/photos"}]


def test_responses_to_post_match_the_schema(ask, document, fill):
    from jsonschema import Draft202012Validator

    fill({"a.png": picture("a cat"), "b.png": picture("a dog")}, label="pet")
    id = ref("a.png").id
    for path, body in (
        ("/v1/classify", {"id": id, "labels": ["a cat", "a dog"]}),
        ("/v1/classify", {"id": id}),
    ):
        content = document["paths"][path]["post"]["responses"]["200"]["content"]
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(ask("POST", path, body).json)


def test_responses_match_the_schema(ask, document, fill):
    from jsonschema import Draft202012Validator

    fill({"a.png": picture("a cat"), "b.png": picture("a dog"), "c.png": picture("broken")})
    id = ref("a.png").id
    for path, query in (
        ("/v1/search", {"q": "a cat"}),
        ("/v1/images", {}),
        ("/v1/images/{id}", {}),
        ("/v1/images/{id}/similar", {"limit": "1"}),
        ("/v1/health", {}),
    ):
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        schema = {
            **content["application/json"]["schema"],
            "components": document["components"],
        }
        answer = ask("GET", path.replace("{id}", id), **query)
        Draft202012Validator(schema).validate(answer.json)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_is_html_with_restrictive_headers(ask, path):
    answer = ask("GET", path)
    assert answer.status == 200
    assert answer.body.lstrip().lower().startswith("<!doctype html>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-cache"
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not any("unsafe-eval" in rule for rule in policy)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_from_other_origins(ask, path):
    html = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", ask("GET", path).body, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", html)


def test_the_page_uploads_each_format_with_the_content_type_of_the_api():
    """Browsers report other types or none for camera RAW."""
    [block] = re.findall(r"const TYPES = \{(.*?)\};", assets()["mediatypes.js"], flags=re.DOTALL)
    content_types = dict(re.findall(r'"?(\w+)"?: "(image/[\w.+-]+)"', block))
    rare = {*RAW_EXTENSIONS_OF, "image/jxl"}
    taken = {end[1:]: type for type in rare for end in EXTENSIONS_OF[type]}
    assert taken.items() <= content_types.items()
    assert all(f".{end}" in EXTENSIONS_OF[type] for end, type in content_types.items())


def test_the_assets_of_the_page_are_cached_by_their_digest(ask):
    html = ask("GET", "/").body
    linked = re.findall(r'(?:src|href)="(assets/[^"]+)"', html)
    assert {path.rpartition("/")[2] for path in linked} == set(assets())
    for path in linked:
        assert path.startswith(f"assets/{assets_version()}/")
        answer = ask("GET", f"/{path}")
        assert answer.headers["Content-Type"].startswith(
            "text/css" if path.endswith(".css") else "text/javascript"
        )
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.body == assets()[path.rpartition("/")[2]]
    assert sum(len(gzip.compress(text.encode())) for text in (html, *assets().values())) < 100_000


def test_an_outdated_asset_url_has_the_current_asset_and_is_not_cached(ask):
    answer = ask("GET", "/assets/0123456789abcdef/main.js")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache")
    assert ask("GET", "/assets/0123456789abcdef/other.js").status == 404
    assert ask("GET", "/assets/0123456789abcdef/index.html").status == 404


def test_the_page_runs_its_own_modules_and_no_inline_styles(ask):
    policy = ask("GET", "/").headers["Content-Security-Policy"].split("; ")
    assert "style-src 'self'" in policy
    [scripts] = [rule for rule in policy if rule.startswith("script-src")]
    assert re.fullmatch(r"script-src 'self' 'sha256-[^ ]+' 'sha256-[^ ]+'", scripts)


def test_inline_scripts_are_allowed_by_digest_only():
    html = "<script>one()</script><SCRIPT type=module>\ntwo()\n</SCRIPT>"
    [rule] = [
        rule
        for rule in security_headers(html)["Content-Security-Policy"].split("; ")
        if rule.startswith("script-src")
    ]
    digests = [
        base64.b64encode(hashlib.sha256(script).digest()).decode()
        for script in (b"one()", b"\ntwo()\n")
    ]
    assert rule == f"script-src 'sha256-{digests[0]}' 'sha256-{digests[1]}'"


def test_the_api_page_is_small_and_lists_operations_by_tag(ask, document):
    sent = [ask("GET", path).body.encode() for path in ("/docs", "/openapi.json")]
    assert sum(len(gzip.compress(each)) for each in sent) < 150_000
    assert b'<meta name="color-scheme" content="light dark">' in sent[0]
    names = [tag["name"] for tag in document["tags"]]
    assert names[:2] == ["Search", "Images"]
    assert {tuple(operation["tags"]) for _, _, operation in operations(document)} == {
        (name,) for name in names
    }


def test_a_page_ignores_unknown_parameters(ask):
    assert ask("GET", "/", utm_source="elsewhere").status == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json"])
def test_an_unchanged_page_is_not_sent_twice(ask, path, dependencies, logger, metrics):
    first = ask("GET", path)
    etag = first.headers["ETag"]
    assert etag.startswith('W/"')
    assert first.headers["Cache-Control"] == "no-cache"
    handler = make_handler(dependencies, RequestLog(logger, metrics))
    for tags, status in ((etag, 304), (f'"x", {etag}', 304), ("*", 304), ('"x"', 200)):
        event = http("GET", path) | {"headers": {"If-None-Match": tags}}
        answer = parse_response(handler(event, CONTEXT))
        assert (answer.status, answer.body == "") == (status, status == 304)
        assert answer.headers["ETag"] == etag
