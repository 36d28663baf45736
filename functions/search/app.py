"""The search function: joins its parts once; Lambda keeps them between requests."""

import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from imagesearch import bootstrap
from imagesearch.ports import ChangeQueue
from imagesearch.settings import Settings

from .handling import Handler, make_handler
from .parts import Parts
from .request_log import RequestLog

settings = Settings.from_environment(os.environ)
logger = Logger(service="search", level=settings.log_level)
metrics = EphemeralMetrics(namespace="imagesearch", service="search")


def join(queue: ChangeQueue | None) -> Handler:
    """The handler over these settings; health tells how long `queue` is."""
    parts = Parts(
        bootstrap.searcher(settings),
        bootstrap.image_store(settings),
        queue,
        bootstrap.derived_store(settings),
        bootstrap.intake(settings),
        classifier=bootstrap.classifier(settings),
    )
    return make_handler(parts, RequestLog(logger, metrics), settings.cors_origin)


handler = join(bootstrap.change_queue(settings))
