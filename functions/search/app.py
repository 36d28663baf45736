"""The search function: joins its parts once; Lambda keeps them between requests."""

import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from imagesearch import bootstrap
from imagesearch.access import Scope, key_bindings
from imagesearch.domain.ports import ChangeQueue
from imagesearch.settings import Settings

from .handler import Handler, KeyScopes, make_handler
from .request_log import RequestLog
from .routing import Dependencies

settings = Settings.from_environment(os.environ)
logger = Logger(service="search", level=settings.log_level)
metrics = EphemeralMetrics(namespace="imagesearch", service="search")


def join(queue: ChangeQueue | None) -> Handler:
    """The handler over these settings; health tells how long `queue` is."""

    def parts(scope: Scope | None = None) -> Dependencies:
        return Dependencies(
            bootstrap.searcher(settings, scope),
            bootstrap.image_store(settings),
            queue,
            bootstrap.derived_store(settings),
            bootstrap.uploads(settings, scope),
            classifier=bootstrap.classifier(settings, scope),
            label_sets=bootstrap.label_sets(settings, scope),
            feedback=bootstrap.feedback(settings, scope),
            duplicate_groups=bootstrap.duplicate_groups(settings, scope),
            duplicate_check=bootstrap.duplicate_check(settings, scope),
        )

    bound = KeyScopes(key_bindings(settings.key_collections), parts)
    return make_handler(parts(), RequestLog(logger, metrics), settings.cors_origin, bound)


handler = join(bootstrap.change_queue(settings))
