"""Entry point of the custom resource that downloads, tests and calibrates a model."""

import os

import boto3

from imagesearch.adapters.s3.client import client_config
from imagesearch.downloads.model_source import ModelSource
from imagesearch.downloads.model_store import S3ModelStore
from imagesearch.embedding.self_test.run import SampleSelfTest
from imagesearch.function_log import function_logger

from .cloudformation import ResponseSender
from .handler import make_handler

logger = function_logger("fetch_model", os.environ.get("LOG_LEVEL", "INFO"))
s3 = boto3.client("s3", config=client_config())


self_test = SampleSelfTest(
    lambda summary, figures: logger.info("self-test", result=summary, figures=figures)
)


def store(bucket: str, prefix: str, source: str) -> S3ModelStore:
    return S3ModelStore(
        bucket,
        prefix,
        s3,
        self_test=self_test,
        source=ModelSource(source),
        waiting=lambda reason, seconds: logger.warning(
            "download", reason=reason, next_attempt_in_seconds=round(seconds)
        ),
    )


handler = make_handler(store, ResponseSender(), logger)
