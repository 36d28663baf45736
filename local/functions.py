"""Brings the Lambda functions into this process, once the environment says what they work on."""

import logging
import sys

from local.gateway import Handler


def index_images() -> Handler:
    """The indexing function; import it after `set_environment`."""
    from functions.index_images.app import handler

    _log_to_stderr("index_images")
    return handler


def search() -> Handler:
    """The search function; import it after `set_environment`."""
    from functions.search.app import handler

    _log_to_stderr("search")
    return handler


def _log_to_stderr(name: str) -> None:
    """Lambda reads logs from standard output; here that is for results."""
    for handler in logging.getLogger(name).handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
