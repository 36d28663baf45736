"""The API: its operations, registered with the resolver, and the handling of unknown requests."""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from imagesearch.domain.errors import NotAllowed

from .errors import MethodNotAllowed, UnknownRoute, error_response
from .http.resolver import ConcurrentResolver
from .pages import Docs
from .request_log import RequestLog
from .routes.classify import ClassifyRoutes
from .routes.duplicates import DuplicateRoutes
from .routes.facets import FacetRoutes
from .routes.feedback import FeedbackRoutes
from .routes.health import HealthRoutes
from .routes.images import ImageRoutes
from .routes.label_sets import LabelSetRoutes
from .routes.search import SearchRoutes
from .routes.uploads import UploadRoutes
from .routing import Dependencies, LogFields, Operation
from .search_page import SearchPage

# The same as the preflight response of API Gateway in template.yaml.
CORS_HEADERS = ["authorization", "content-type", "x-amz-date", "x-amz-security-token", "x-api-key"]
PREFLIGHT_SECONDS = 3600


def make_api(
    dependencies: Dependencies,
    log: RequestLog,
    cors_origin: str | None = None,
    denied: NotAllowed | None = None,
) -> APIGatewayRestResolver:
    """The resolver of every operation; each exception becomes an error response.

    `cors_origin` is the origin whose pages may call the API from a browser. Operations that need an
    API key raise `denied`.
    """
    api = ConcurrentResolver(enable_validation=True, cors=_cors(cors_origin))
    operations = _operations(dependencies, log.add)
    operations += Docs(api, operations).operations()
    for each in operations:
        api.route(
            each.path,
            each.method,
            summary=each.summary,
            description=each.description,
            include_in_schema=each.response is not None,
        )(each.function)
    by_route = {(each.method, each.openapi_path): each for each in operations}

    def current_operation() -> Operation | None:
        return by_route.get((api.current_event.http_method, api.request.route))

    def check_parameters(app: APIGatewayRestResolver, next: NextMiddleware) -> Response[Any]:
        if operation := current_operation():
            log.add(route=operation.path)
            if denied and operation.response:
                raise denied
            _reject_unknown_parameters(app.current_event.query_string_parameters, operation)
        return next(app)

    def not_found(_: NotFoundError) -> Response[Any]:
        event = api.current_event
        raise _unknown_request(operations, event.http_method, event.path)

    def failed(error: Exception) -> Response[Any]:
        if operation := current_operation():
            log.add(route=operation.path)
        return error_response(error, log)

    api.use([check_parameters])
    api.not_found(not_found)
    api.exception_handler(Exception)(failed)
    return api


def _operations(dependencies: Dependencies, log: LogFields) -> list[Operation]:
    """The search page and the operations under /v1/, in the order of the OpenAPI document."""
    resources = (
        SearchPage(),
        SearchRoutes(dependencies, log),
        ImageRoutes(dependencies, log),
        UploadRoutes(dependencies),
        FacetRoutes(dependencies, log),
        DuplicateRoutes(dependencies, log),
        ClassifyRoutes(dependencies, log),
        LabelSetRoutes(dependencies, log),
        FeedbackRoutes(dependencies, log),
        HealthRoutes(dependencies),
    )
    return [each for resource in resources for each in resource.operations()]


def _cors(origin: str | None) -> CORSConfig | None:
    if origin is None:
        return None
    return CORSConfig(
        origin,
        allow_headers=CORS_HEADERS,
        expose_headers=["Retry-After"],
        max_age=PREFLIGHT_SECONDS,
    )


def _reject_unknown_parameters(parameters: dict[str, str], operation: Operation) -> None:
    """Raises InvalidQuery: a misspelled filter that is ignored would give wrong results."""
    known = operation.parameters
    for name in parameters if operation.response else ():
        if name not in known:
            raise operation.unknown_parameter(name)


def _unknown_request(operations: list[Operation], method: str, path: str) -> Exception:
    allowed = sorted({each.method for each in operations if each.pattern.fullmatch(path)})
    # The resolver does not match an ID with unusual characters: with an allowed method this is an
    # unknown path, not a wrong method.
    wrong_method = allowed and method not in allowed
    return MethodNotAllowed(method, allowed) if wrong_method else UnknownRoute()
