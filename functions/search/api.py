"""Joins routes, errors and the resolver.

Every operation of the API but those that describe them, in the order of the document.
"""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from imagesearch.domain.errors import InvalidQuery

from .docs import Docs, search_page
from .errors import MethodNotAllowed, UnknownRoute, failure
from .request_log import RequestLog
from .routes.classify import Classifications
from .routes.duplicates import Duplicates
from .routes.feedback import FeedbackRoute
from .routes.health import HealthRoute
from .routes.images import Images
from .routes.label_sets import LabelSetRoutes
from .routes.search import Searches
from .routing import Dependencies, LogFields, Operation


def operations(dependencies: Dependencies, note: LogFields) -> list[Operation]:
    """Under /v1/ a key is needed where one is set."""
    resources = (
        Searches(dependencies, note),
        Images(dependencies, note),
        Duplicates(dependencies, note),
        Classifications(dependencies, note),
        LabelSetRoutes(dependencies, note),
        FeedbackRoute(dependencies, note),
        HealthRoute(dependencies),
    )
    page = Operation("GET", "/", search_page)
    return [page, *(each for resource in resources for each in resource.operations())]


# As template.yaml answers a browser that asks before it calls.
HEADERS = ["authorization", "content-type", "x-amz-date", "x-amz-security-token", "x-api-key"]
PREFLIGHT_SECONDS = 3600


def make_api(
    dependencies: Dependencies, log: RequestLog, cors_origin: str | None = None
) -> APIGatewayRestResolver:
    """The resolver of every operation; whatever is raised in one leaves it as an answer.

    Pages of `cors_origin` may read the answers.
    """
    api = APIGatewayRestResolver(enable_validation=True, cors=_cors(cors_origin))
    known = operations(dependencies, log.note)
    known += Docs(api, known).operations()
    for each in known:
        api.route(
            each.path,
            each.method,
            summary=each.summary,
            description=each.description,
            include_in_schema=each.answers is not None,
        )(each.function)
    by_route = {(each.method, each.openapi_path): each for each in known}

    def current() -> Operation | None:
        return by_route.get((api.current_event.http_method, api.request.route))

    def check_parameters(app: APIGatewayRestResolver, next: NextMiddleware) -> Response[Any]:
        if operation := current():
            log.note(route=operation.path)
            _refuse_unknown(app.current_event.query_string_parameters, operation)
        return next(app)

    def not_found(_: NotFoundError) -> Response[Any]:
        path = api.current_event.path
        raise _no_such_route(known, api.current_event.http_method, path)

    def failed(error: Exception) -> Response[Any]:
        if operation := current():
            log.note(route=operation.path)
        return failure(error, log)

    api.use([check_parameters])
    api.not_found(not_found)
    api.exception_handler(Exception)(failed)
    return api


def _cors(origin: str | None) -> CORSConfig | None:
    if origin is None:
        return None
    return CORSConfig(
        origin, allow_headers=HEADERS, expose_headers=["Retry-After"], max_age=PREFLIGHT_SECONDS
    )


def _refuse_unknown(given: dict[str, str], operation: Operation) -> None:
    """A misspelt filter that is passed over would answer another question than was asked."""
    known = operation.parameters
    for name in given if operation.answers else ():
        if name not in known:
            raise InvalidQuery(
                f"there is no parameter {name!r} here",
                f"known are: {', '.join(sorted(known)) or 'none'}",
                code="unknown_parameter",
            )


def _no_such_route(known: list[Operation], method: str, path: str) -> Exception:
    allowed = sorted({each.method for each in known if each.pattern.fullmatch(path)})
    # The resolver matches few characters in an id; with any other there is no such image.
    other = allowed and method not in allowed
    return MethodNotAllowed(method, allowed) if other else UnknownRoute()
