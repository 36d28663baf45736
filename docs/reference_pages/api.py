"""The page of the API, from the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import MagicMock

from docs.reference_pages.error_codes import error_codes, gateway_codes
from docs.reference_pages.markdown import anchor, default_value, paragraphs, table
from docs.reference_pages.sources import read_text
from functions.search.api import make_api


def api() -> Iterator[str]:
    read = openapi()
    yield from ("# API", "", *read["info"]["description"].splitlines(), "")
    yield "`GET /docs` shows the same page by page and sends requests; `GET /openapi.json` is the"
    yield "document for programs. On AWS the paths follow the stage: the output `ApiUrl` ends in"
    yield "`/live/v1`."
    yield ""
    yield from ("## Operations", "")
    yield from table(
        ("operation", "summary"),
        [
            (f"[`{method.upper()} {path}`](#{anchor(f'{method} {path}')})", each["summary"])
            for path, method, each in _operations(read)
        ],
    )
    for path, method, each in _operations(read):
        yield from _operation(f"{method.upper()} {path}", each)
    yield from ("## Errors", "", 'Every error is `{"error": {"code", "message", "hint"}}`.')
    yield from ("`code` is stable, `message` and `hint` are for people.", "")
    yield from table(("status", "codes"), error_codes())
    yield from ("API Gateway, and the local server in its place, answer these by themselves:", "")
    yield from table(("status", "codes"), gateway_codes())
    yield from ("## Schemas", "")
    for name, schema in sorted(read["components"]["schemas"].items()):
        yield from _schema(name, schema)


def openapi() -> dict[str, Any]:
    """The response to GET /openapi.json; the use cases behind the routes are not called."""
    parts: Any = MagicMock()
    event = json.loads(read_text("events/api-openapi.json"))
    response = make_api(parts, parts).resolve(event, parts)
    read: dict[str, Any] = json.loads(response["body"])
    return read


def _operations(read: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in read["paths"].items():
        for method, each in methods.items():
            yield path, method, each


def _operation(title: str, each: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"### {title}", "", f"{each['summary']}. Operation id: `{each['operationId']}`.")
    yield from ("", *paragraphs(each.get("description", "")), "")
    if parameters := each.get("parameters"):
        yield from table(
            ("parameter", "in", "type", "default", "description"),
            [
                (
                    f"`{one['name']}`",
                    one["in"],
                    _type(one["schema"]),
                    "required"
                    if one.get("required")
                    else default_value(one["schema"].get("default")),
                    one.get("description", ""),
                )
                for one in parameters
            ],
        )
    if body := each.get("requestBody"):
        yield from (f"Request body: {_content(body['content'])}.", "")
    for status, answer in each["responses"].items():
        if status.startswith("2"):
            yield from (f"Response {status}: {_content(answer['content'])}.", "")
    errors = [status for status in each["responses"] if not status.startswith("2")]
    yield from (f"Errors: {', '.join(errors)}.", "")


def _content(content: Mapping[str, Any]) -> str:
    return " or ".join(f"`{kind}`, {_type(each['schema'])}" for kind, each in content.items())


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"### {name}", "", *paragraphs(schema.get("description", "")), "")
    if "enum" in schema:
        yield from (f"One of {', '.join(f'`{each}`' for each in schema['enum'])}.", "")
    required = schema.get("required", ())
    rows = []
    for field, each in schema.get("properties", {}).items():
        default = "required" if field in required else default_value(each.get("default"))
        rows.append((f"`{field}`", _type(each), default, each.get("description", "")))
    if rows:
        yield from table(("field", "type", "default", "description"), rows)


def _type(schema: Mapping[str, Any]) -> str:
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf", "allOf"):
        if several := schema.get(key):
            return " or ".join(dict.fromkeys(_type(each) for each in several))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum") or [schema["const"]]
        return ", ".join(f"`{value}`" for value in values)
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"array of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return " ".join(filter(None, (kind, schema.get("format", ""), _bounds(schema))))


def _bounds(schema: Mapping[str, Any]) -> str:
    for least, most, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
    ):
        low, high = schema.get(least), schema.get(most)
        if high is not None:
            return f"({low or 0:,g} to {high:,g}{unit})".replace(".0", "")
        if low is not None:
            return f"({low:,g}{unit} or more)"
    return ""
