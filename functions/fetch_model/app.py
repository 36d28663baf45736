"""Entry point of the custom resource that downloads a model into the stack's bucket."""

import os

import boto3
from aws_lambda_powertools import Logger

from imagesearch.adapters.s3.client import client_config
from imagesearch.downloads.model_store import S3ModelStore

from .cloudformation import ResponseSender
from .handler import make_handler

logger = Logger(service="fetch_model", level=os.environ.get("LOG_LEVEL", "INFO"))
s3 = boto3.client("s3", config=client_config())


def store(bucket: str, prefix: str) -> S3ModelStore:
    return S3ModelStore(bucket, prefix, s3)


handler = make_handler(store, ResponseSender(), logger)
