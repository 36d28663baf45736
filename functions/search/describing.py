"""The routes that describe the others: the OpenAPI document and the page to try it."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.request import Request

from .operation import Operation
from .responses import JSON_HEADERS


class Describing:
    """What it takes to describe is imported by who asks for it: searches start without."""

    def __init__(self, api: APIGatewayRestResolver, operations: Sequence[Operation]) -> None:
        self._api = api
        self._operations = tuple(each for each in operations if each.answers)

    def operations(self) -> list[Operation]:
        return [
            Operation("GET", "/openapi.json", self.document),
            Operation("GET", "/docs", self.docs),
        ]

    def document(self, request: Request) -> Response[Any]:
        return Response(200, "application/json", self._document(request), JSON_HEADERS)

    def docs(self, request: Request) -> Response[Any]:
        from .docs_page import docs_page

        return docs_page(self._document(request))

    def _document(self, request: Request) -> str:
        from .openapi import document

        return document(self._api, self._operations, _base_path(request.resolved_event))


def _base_path(event: Any) -> str:
    """What lies before the API's paths, as the caller sees them: the stage, behind API Gateway."""
    whole = str((event.get("requestContext") or {}).get("path") or "")
    return whole.removesuffix(event.path) if whole.endswith(event.path) else ""
