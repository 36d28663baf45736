"""The Lambda handler of the API: resolves the route of a request within the scope of its key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from imagesearch.access import Scope
from imagesearch.domain.deadline import query, share_of_time, time_limit

from .api import make_api
from .base_path import base_path, split_base_path
from .etags import matches
from .request_log import RequestLog
from .routing import Dependencies

# The share of the time of an invocation in which all images of a request are decoded.
IMAGES_SHARE = 1 / 2
Event: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[Event, Any], dict[str, Any]]


@dataclass(frozen=True)
class KeyScopes:
    """The scopes of API keys that are limited to collections, by key ID.

    Keys without a scope have access to all images.
    """

    scopes: Mapping[str, Scope]
    dependencies: Callable[[Scope], Dependencies]

    def scope_of(self, event: Mapping[str, Any]) -> Scope | None:
        """The scope of the request's key, by its ID; API Gateway has verified the key itself."""
        identity = (event.get("requestContext") or {}).get("identity") or {}
        return self.scopes.get(identity.get("apiKeyId") or "")


def make_handler(
    dependencies: Dependencies,
    log: RequestLog,
    cors_origin: str | None = None,
    key_scopes: KeyScopes | None = None,
) -> Handler:
    """The handler of proxy events of an API Gateway REST API.

    Not thread-safe: the resolver keeps the current request in class attributes.
    """
    unscoped_api = make_api(dependencies, log, cors_origin)

    @cache
    def scoped_api(scope: Scope) -> APIGatewayRestResolver:
        assert key_scopes  # noqa: S101 - scopes have no other origin
        return make_api(key_scopes.dependencies(scope), log, cors_origin)

    def handle(event: Event, context: Any) -> dict[str, Any]:
        scope = key_scopes.scope_of(event) if key_scopes else None
        api = scoped_api(scope) if scope else unscoped_api
        log.begin(getattr(context, "aws_request_id", ""))
        is_head = event.get("httpMethod") == "HEAD"
        # HEAD has the response of GET without its body: RFC 9110, 9.3.2.
        base, path = split_base_path(event)
        base_path.set(base)
        request = {**event, "path": path, "httpMethod": "GET" if is_head else event["httpMethod"]}
        with (
            time_limit(lambda: context.get_remaining_time_in_millis() / 1000),
            share_of_time(IMAGES_SHARE),
            query(),
        ):
            response: dict[str, Any] = api.resolve(request, context)
        response = _without_known_body(response, event)
        log.end(response["statusCode"])
        return {**response, "body": ""} if is_head else response

    return handle


def _without_known_body(response: dict[str, Any], event: Event) -> dict[str, Any]:
    """A 304 instead of a response whose tag the client has sent."""
    [etag] = response["multiValueHeaders"].get("ETag") or [None]
    sent = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if not etag or not matches(sent.get("if-none-match") or "", etag):
        return response
    return {**response, "statusCode": 304, "body": ""}
