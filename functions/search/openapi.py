"""The OpenAPI document: powertools tells paths and parameters, the rest is joined to them here."""

import json
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from imagesearch.domain.queries import MAX_TERMS

from .requests import MAX_JSON_IMAGE, MAX_RAW_IMAGE, Body
from .responses import Failure
from .routes.search import MAX_SEARCHES
from .routes.search_filters import MAX_LEVELS, MAX_VALUES
from .routing import Operation

SCHEMAS = "#/components/schemas/"
KEY = {"type": "apiKey", "in": "header", "name": "x-api-key"}
TITLE = "imagesearch"
VERSION = "1"
DESCRIPTION = f"""Find images by words or by another image.

- A page has 1 to 100 hits, and pages go to a depth of 1,000 hits.
- A text has 1 to 2,000 characters.
- A query mixes up to {MAX_TERMS} terms; a batch has up to {MAX_SEARCHES} searches.
- A filter compares with up to {MAX_VALUES} values, {MAX_LEVELS} levels deep.
- An image has up to {MAX_RAW_IMAGE:,} bytes as the body of a request, up to {MAX_JSON_IMAGE:,} in
  JSON (before base64), and up to 100 megapixels, a JPEG more. A larger one is found by its id once
  it is in the bucket.
- Every error is `{{"error": {{"code", "message", "hint"}}}}`.
- Where a key is set, everything under `/v1/` needs it in the header `x-api-key`."""
ERRORS = {
    400: "The request is not one that can be answered; `message` names what is wrong.",
    403: "The key is missing or wrong, or the operator has not allowed this.",
    404: "There is no indexed image with this id.",
    413: "The body, or an image in it, has too many bytes.",
    415: "The body is not of a kind that is read here.",
    422: "The image cannot be decoded.",
    429: "Too many requests; `Retry-After` says when to try again.",
    500: "Something broke; `hint` holds the request's id.",
    503: "The index or the model is away; `Retry-After` says when to try again.",
}
EVERYWHERE = (400, 403, 429, 500)
RETRIES = (429, 503)


def document(api: APIGatewayRestResolver, operations: tuple[Operation, ...], base: str) -> str:
    """The document in JSON; `base` is the path under which the API is reached."""
    described = _described(api, operations)
    return json.dumps({**described, "servers": [{"url": base or "/"}]}, separators=(",", ":"))


@cache
def _described(api: APIGatewayRestResolver, operations: tuple[Operation, ...]) -> dict[str, Any]:
    told = json.loads(
        api.get_openapi_json_schema(title=TITLE, version=VERSION, description=DESCRIPTION)
    )
    for each in operations:
        _complete(told["paths"][each.openapi_path][each.method.lower()], each)
    told["paths"] = {each.openapi_path: told["paths"][each.openapi_path] for each in operations}
    told["components"] = {"schemas": _schemas(operations), "securitySchemes": {"key": KEY}}
    return {**told, "security": [{"key": []}]}


def _complete(operation: dict[str, Any], each: Operation) -> None:
    if each.answers is None:
        return
    operation["operationId"] = each.function.__name__
    operation["responses"] = {str(each.status): _content(each.summary, each.answers)} | {
        str(status): _error(status) for status in sorted({*EVERYWHERE, *each.errors})
    }
    if each.body:
        operation["requestBody"] = _request_body(each.body)


def _error(status: int) -> dict[str, Any]:
    answer = _content(ERRORS[status], Failure)
    if status in RETRIES:
        answer["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        }
    return answer


def _content(description: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": SCHEMAS + model.__name__}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _request_body(body: Body) -> dict[str, Any]:
    schema = {"$ref": SCHEMAS + body.shape.__name__}
    examples = {name: {"value": value} for name, value in body.examples.items()}
    json_body = {"application/json": {"schema": schema, "examples": examples}}
    if not body.or_image:
        return {"required": True, "description": "JSON.", "content": json_body}
    return {
        "required": True,
        "description": f"JSON, or the bytes of an image: up to {MAX_RAW_IMAGE:,}.",
        # Bytes have no schema: https://spec.openapis.org/oas/v3.1.0#media-type-object
        "content": {**json_body, "image/*": {"schema": {"type": "string", "format": "binary"}}},
    }


def _schemas(operations: tuple[Operation, ...]) -> dict[str, Any]:
    answers = {each.answers for each in operations if each.answers} | {Failure}
    shapes: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "serialization") for model in sorted(answers, key=_name)),
        *((each.body.shape, "validation") for each in operations if each.body),
    ]
    _, schemas = models_json_schema(shapes, ref_template=SCHEMAS + "{model}")
    found: dict[str, Any] = schemas["$defs"]
    return found


def _name(model: type[BaseModel]) -> str:
    return model.__name__
