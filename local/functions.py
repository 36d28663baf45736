"""Brings the Lambda functions into this process, once the environment says what they work on."""

import logging
import sys

from imagesearch.domain.ports import ChangeQueue
from local.lambda_context import Handler


def index_images() -> Handler:
    """The indexing function; import it after `set_environment`."""
    from functions.index_images.app import handler

    _log_to_stderr("index_images")
    return handler


def search(queue: ChangeQueue) -> Handler:
    """The search function over a queue of this process; import it after `set_environment`."""
    from functions.search.app import join

    _log_to_stderr("search")
    return join(queue)


def _log_to_stderr(name: str) -> None:
    """Lambda reads logs from standard output; here that is for results."""
    for handler in logging.getLogger(name).handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
