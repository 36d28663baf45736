"""Handles an HTTP request: resolves its route and logs what came of it.

API keys that are bound to collections: what their holders reach is made over these alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from imagesearch.access import Scope

from .api import make_api
from .request_log import RequestLog
from .routing import Dependencies


@dataclass(frozen=True)
class KeyScopes:
    """The scope of each bound key by the key's id; the holder of any other key sees everything."""

    scopes: Mapping[str, Scope]
    dependencies: Callable[[Scope], Dependencies]

    def scope_of(self, event: Mapping[str, Any]) -> Scope | None:
        """By the id of the key, which API Gateway has checked; the key itself is not looked at."""
        identity = (event.get("requestContext") or {}).get("identity") or {}
        return self.scopes.get(identity.get("apiKeyId") or "")


Event: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[Event, Any], dict[str, Any]]


def make_handler(
    dependencies: Dependencies,
    log: RequestLog,
    cors_origin: str | None = None,
    bound: KeyScopes | None = None,
) -> Handler:
    """The Lambda handler of a REST API's proxy events.

    One request at a time, as Lambda gives them: the resolver keeps the request in class attributes.
    """
    whole = make_api(dependencies, log, cors_origin)

    @cache
    def within(scope: Scope) -> APIGatewayRestResolver:
        assert bound  # noqa: S101 - only it gives scopes
        return make_api(bound.dependencies(scope), log, cors_origin)

    def handle(event: Event, context: Any) -> dict[str, Any]:
        scope = bound.scope_of(event) if bound else None
        api = within(scope) if scope else whole
        log.begin(getattr(context, "aws_request_id", ""))
        answer: dict[str, Any] = api.resolve(_with_body(event), context)
        log.end(answer["statusCode"])
        return {**answer, "body": ""} if event.get("httpMethod") == "HEAD" else answer

    return handle


def _with_body(event: Event) -> Event:
    """HEAD is answered as GET is, less the body (RFC 9110, 9.3.2)."""
    return {**event, "httpMethod": "GET"} if event.get("httpMethod") == "HEAD" else event
