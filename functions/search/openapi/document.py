"""The OpenAPI document: paths and parameters by powertools, plus bodies, responses and examples."""

import json
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from imagesearch.domain.errors import ImageSearchError
from imagesearch.domain.queries import MAX_TERMS

from ..errors import MethodNotAllowed
from ..http.forms import FIELD, FORM
from ..requests import MAX_JSON_IMAGE, MAX_RAW_IMAGE, OCTETS, RequestBody
from ..responses import Failure, error_body
from ..routes.filter_conditions import MAX_VALUES
from ..routes.search_filters import MAX_LEVELS
from ..routes.search_requests import MAX_BATCH_HITS, MAX_SEARCHES
from ..routing import Operation
from .error_examples import example_of

SCHEMAS = "#/components/schemas/"
KEY = {"type": "apiKey", "in": "header", "name": "x-api-key"}
TITLE = "imagesearch"
VERSION = "1"
DESCRIPTION = f"""Search images by text or by example image.

- A page has 1 to 100 hits, and pages end at 1,000 hits.
- A text has 1 to 2,000 characters.
- A query mixes up to {MAX_TERMS} terms; a batch has up to {MAX_SEARCHES} searches and
  {MAX_BATCH_HITS} hits: the sum of all `limit`.
- A filter has up to {MAX_VALUES} values and {MAX_LEVELS} levels of nesting.
- An image has up to {MAX_RAW_IMAGE:,} bytes as the body of a request, up to {MAX_JSON_IMAGE:,} in
  JSON (before base64), and up to 100 megapixels; a JPEG may have more. To search by a larger image,
  upload it to the bucket and use its ID.
- Every error is `{{"error": {{"code", "message", "hint"}}}}`.
- A method that a path does not have is answered with 405 `method_not_allowed`.
- If an API key is configured, all paths under `/v1/` require it in the header `x-api-key`."""
ERRORS = {
    400: "The request is invalid; `message` names the parameter or field.",
    401: "The token is missing or expired; only with Access=Cognito.",
    403: "The API key is missing or wrong, or the operator does not allow this request.",
    404: "The image or label set does not exist.",
    413: "The body, or an image in it, is too large.",
    415: "The media type of the body is not supported.",
    422: "The image cannot be decoded.",
    429: "Too many requests; retry after the time in `Retry-After`.",
    431: "The request line and the headers have more than 10,240 bytes, or 16,384 on one machine.",
    500: "Internal error; `hint` has the request ID.",
    502: "The function failed on AWS, or reached its limit of time or memory.",
    503: "The index or the model is unavailable, or the server is overloaded; retry after the time"
    " in `Retry-After`.",
    504: "The request took more than 29 seconds on AWS.",
}
# The document lists it among the components: no operation answers its own method with it.
WRONG_METHOD = "405: the path does not support the method of the request."
# The groups of operations, by the first segment of the path below /v1/.
TAGS = {
    "search": "Search",
    "images": "Images",
    "duplicates": "Duplicates",
    "classify": "Classification",
    "labelsets": "Label sets",
    "feedback": "Feedback",
    "health": "Health",
}
EVERYWHERE = (400, 401, 403, 429, 431, 500, 502, 503, 504)
RETRIES = (429, 503)


def document(api: APIGatewayRestResolver, operations: tuple[Operation, ...], base: str) -> str:
    """The document as JSON; `base` is the path prefix of the API, the stage on API Gateway."""
    without_servers = _document(api, operations)
    return json.dumps({**without_servers, "servers": [{"url": base or "/"}]}, separators=(",", ":"))


@cache
def _document(api: APIGatewayRestResolver, operations: tuple[Operation, ...]) -> dict[str, Any]:
    schema = json.loads(
        api.get_openapi_json_schema(title=TITLE, version=VERSION, description=DESCRIPTION)
    )
    for each in operations:
        _complete(schema["paths"][each.openapi_path][each.method.lower()], each)
    schema["paths"] = {each.openapi_path: schema["paths"][each.openapi_path] for each in operations}
    schema["components"] = {
        "schemas": _schemas(operations),
        "responses": {"MethodNotAllowed": _method_not_allowed(operations)},
        "securitySchemes": {"key": KEY},
    }
    tags = dict.fromkeys(_tag(each) for each in operations)
    return {**schema, "security": [{"key": []}], "tags": [{"name": name} for name in tags]}


def _complete(operation: dict[str, Any], each: Operation) -> None:
    if each.response is None:
        return
    operation["operationId"] = each.function.__name__
    operation["tags"] = [_tag(each)]
    operation["responses"] = {str(each.status): _content(each.summary, each.response)} | {
        str(status): _error(status, each) for status in sorted({*EVERYWHERE, *each.errors})
    }
    if each.body:
        operation["requestBody"] = _request_body(each.body)


def _tag(each: Operation) -> str:
    segment = each.path.split("/")[2]
    return TAGS.get(segment, segment.capitalize())


def _error(status: int, each: Operation) -> dict[str, Any]:
    response = _failure(ERRORS[status], example_of(status, each))
    if status in RETRIES:
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait before a retry.",
                "schema": {"type": "integer"},
            }
        }
    return response


def _method_not_allowed(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The response to a method without an operation; its example is of the first path."""
    allowed = sorted(each.method for each in operations if each.path == operations[0].path)
    methods = {"schema": {"type": "string"}, "description": "The methods of the path."}
    response = _failure(WRONG_METHOD, MethodNotAllowed("DELETE", allowed))
    return {**response, "headers": {"Allow": methods}}


def _failure(description: str, example: ImageSearchError) -> dict[str, Any]:
    response = _content(description, Failure)
    response["content"]["application/json"]["example"] = error_body(example).model_dump()
    return response


def _content(description: str, response: type[BaseModel] | str) -> dict[str, Any]:
    """A response: JSON of a model, or a file of a media type."""
    if isinstance(response, str):
        return {"description": description, "content": {response: _BYTES}}
    schema = {"$ref": SCHEMAS + response.__name__}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _request_body(body: RequestBody) -> dict[str, Any]:
    schema = {"$ref": SCHEMAS + body.model.__name__}
    examples = {name: {"value": value} for name, value in body.examples.items()}
    json_body = {"application/json": {"schema": schema, "examples": examples}}
    if not body.accepts_image:
        return {"required": True, "description": "JSON.", "content": json_body}
    return {
        "required": True,
        "description": f"JSON, or an image file of up to {MAX_RAW_IMAGE:,} bytes: as the body, or"
        f" as the field `{FIELD}` of a form.",
        # Bytes have no schema: https://spec.openapis.org/oas/v3.1.0#media-type-object
        "content": {**json_body, "image/*": _BYTES, OCTETS: _BYTES, FORM: _FORM},
    }


_BYTES = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "properties": {FIELD: {"type": "string", "format": "binary", "description": "Image file."}},
        "required": [FIELD],
        "additionalProperties": False,
    }
}


def _schemas(operations: tuple[Operation, ...]) -> dict[str, Any]:
    responses = {each.response for each in operations if isinstance(each.response, type)}
    responses |= {Failure}
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "serialization") for model in sorted(responses, key=_name)),
        *((each.body.model, "validation") for each in operations if each.body),
    ]
    _, schemas = models_json_schema(models, ref_template=SCHEMAS + "{model}")
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions


def _name(model: type[BaseModel]) -> str:
    return model.__name__
