"""Entry point of the indexing function. Lambda keeps its objects between batches."""

import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from imagesearch import bootstrap
from imagesearch.settings import Settings

from .handler import BatchReport, make_handler

settings = Settings.from_environment(os.environ)
# The function of the next model runs the same code under another service name.
service = os.environ.get("POWERTOOLS_SERVICE_NAME", "index_images")
logger = Logger(service=service, level=settings.log_level)
metrics = EphemeralMetrics(namespace="imagesearch", service=service)
handler = make_handler(
    bootstrap.indexer(settings), settings.bucket, logger, BatchReport(logger, metrics)
)
bootstrap.warm_up(settings, texts=False)
