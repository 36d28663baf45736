"""Builds the handler of the search function from settings, without reading the environment."""

from collections.abc import Callable

from aws_lambda_powertools.metrics import EphemeralMetrics

from imagesearch import bootstrap
from imagesearch.access import Scope, key_bindings
from imagesearch.domain.ports import ChangeQueue, NextModel
from imagesearch.function_log import function_logger
from imagesearch.settings import Settings

from .handler import Handler, KeyScopes, make_handler
from .request_log import RequestLog
from .routing import Dependencies


def build_handler(
    settings: Settings,
    queue: ChangeQueue | None,
    next_model: Callable[[], NextModel | None] = lambda: None,
    secret: bytes | None = None,
) -> Handler:
    """The handler for these settings; the health check reports on `queue` and `next_model`.

    Cursors and search ids are signed with `secret`, or that of the settings.
    """
    logger = function_logger("search", settings.log_level)
    metrics = EphemeralMetrics(
        namespace="imagesearch",
        service="search",
        default_dimensions={"stack": settings.stack_name},
    )

    def dependencies(scope: Scope | None = None) -> Dependencies:
        return Dependencies(
            bootstrap.searcher(settings, scope),
            bootstrap.image_store(settings),
            queue,
            bootstrap.derived_store(settings),
            bootstrap.uploads(settings, scope),
            previews=bootstrap.previews(settings, scope),
            classifier=bootstrap.classifier(settings, scope),
            label_sets=bootstrap.label_sets(settings, scope),
            feedback=bootstrap.feedback(settings, scope),
            duplicate_groups=bootstrap.duplicate_groups(settings, scope),
            duplicate_check=bootstrap.duplicate_check(settings, scope),
            next_model=next_model,
            fetches_urls=settings.allow_urls,
        )

    key_scopes = KeyScopes(key_bindings(settings.key_collections), dependencies)
    if settings.signing_key:
        secret = settings.signing_key.encode()
    return make_handler(
        dependencies(), RequestLog(logger, metrics), settings.cors_origin, key_scopes, secret
    )
