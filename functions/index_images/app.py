"""The indexing function: joins its parts once; Lambda keeps them between batches."""

import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from imagesearch import bootstrap
from imagesearch.settings import Settings

from .handling import make_handler
from .reporting import BatchReport

settings = Settings.from_environment(os.environ)
logger = Logger(service="index_images", level=settings.log_level)
metrics = EphemeralMetrics(namespace="imagesearch", service="index_images")
handler = make_handler(
    bootstrap.indexer(settings), settings.bucket, logger, BatchReport(logger, metrics)
)
