"""Builds the handler of the indexing function from settings."""

import os

from aws_lambda_powertools.metrics import EphemeralMetrics

from imagesearch.function_log import function_logger
from imagesearch.indexing.indexer import Indexer
from imagesearch.settings import Settings

from .handler import BatchReport, Handler, make_handler


def build_handler(settings: Settings, indexer: Indexer) -> Handler:
    """The handler that passes the images of its events to this indexer."""
    # The function of the next model runs the same code under another service name.
    service = os.environ.get("POWERTOOLS_SERVICE_NAME", "index_images")
    logger = function_logger(service, settings.log_level)
    metrics = EphemeralMetrics(
        namespace="imagesearch",
        service=service,
        default_dimensions={"stack": settings.stack_name},
    )
    return make_handler(indexer, settings.bucket, logger, BatchReport(logger, metrics))
