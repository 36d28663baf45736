"""The Lambda handler of the API: resolves the route of a request within the scope of its key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from imagesearch.access import KeyBindings, Scope
from imagesearch.domain.deadline import query, share_of_time, time_limit
from imagesearch.domain.errors import NotAllowed
from imagesearch.domain.signing import signing_key
from imagesearch.object_cache import Cached

from .api import make_api
from .http.base_path import base_path, split_base_path
from .http.etags import matches
from .request_log import RequestLog
from .routing import Dependencies

# The share of the time of an invocation in which all images of a request are decoded.
IMAGES_SHARE = 1 / 2
Event: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[Event, Any], dict[str, Any]]


@dataclass(frozen=True)
class KeyScopes:
    """The scopes of API keys by their bindings, and the dependencies within a scope."""

    bindings: KeyBindings
    dependencies: Callable[[Scope], Dependencies]

    def scope_of(self, event: Mapping[str, Any]) -> Scope | None:
        """The scope of the request's key, by its ID; API Gateway has verified the key itself.

        Raises NotAllowed.
        """
        identity = (event.get("requestContext") or {}).get("identity") or {}
        return self.bindings.scope_of(identity.get("apiKeyId"))


def make_handler(
    dependencies: Dependencies,
    log: RequestLog,
    cors_origin: str | None = None,
    key_scopes: KeyScopes | None = None,
    secret: bytes | None = None,
) -> Handler:
    """The handler of proxy events of an API Gateway REST API; may be used from several threads.

    Cursors and search ids are signed with `secret`, without it by a key of this process.
    """
    unscoped_api = make_api(dependencies, log, cors_origin)

    def denying_api(error: NotAllowed) -> APIGatewayRestResolver:
        """Pages need no key, and preflight requests have none."""
        return make_api(dependencies, log, cors_origin, denied=error)

    @Cached
    def scoped_api(scope: Scope) -> APIGatewayRestResolver:
        assert key_scopes  # noqa: S101 - scopes have no other origin
        return make_api(key_scopes.dependencies(scope), log, cors_origin)

    def handle(event: Event, context: Any) -> dict[str, Any]:
        try:
            scope = key_scopes.scope_of(event) if key_scopes else None
            api = scoped_api(scope) if scope else unscoped_api
        except NotAllowed as error:
            scope, api = None, denying_api(error)
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
            signing_key(secret, repr(sorted(scope.collections) if scope else None)),
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
