"""The logger of a function, which keeps the log records of the packages that the function uses."""

from __future__ import annotations

import logging

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.filters import SuppressFilter


def function_logger(service: str, level: str) -> Logger:
    """A logger of JSON lines for the service.

    Powertools drops the records of every logger whose name contains that of the service from the
    handlers of the root logger: `search` is in `imagesearch`. Its own records are not passed to the
    root instead, so that they are written once.
    """
    logger = Logger(service=service, level=level)
    logging.getLogger(service).propagate = False
    for handler in logging.root.handlers:
        for each in handler.filters[:]:
            if isinstance(each, SuppressFilter):
                handler.removeFilter(each)
    return logger
