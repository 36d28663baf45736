"""Log records of packages are written, and those of a function once."""

import io
import json
import logging

import pytest

from imagesearch.function_log import function_logger


@pytest.fixture
def root() -> io.StringIO:
    """The output of the handler of the root logger, as on Lambda."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.root.addHandler(handler)
    yield stream
    logging.root.removeHandler(handler)


@pytest.mark.parametrize("service", ["mages", "earning.liv"])
def test_warnings_of_packages_whose_names_contain_the_service_are_written(service, root):
    function_logger(service, "INFO")
    logging.getLogger("imagesearch.learning.live").warning("not read")
    assert root.getvalue() == "not read\n"


def test_records_of_the_function_are_written_once(root):
    logger = function_logger("magesearc", "INFO")
    logger.registered_handler.stream = io.StringIO()
    logger.info("request")
    assert json.loads(logger.registered_handler.stream.getvalue())["message"] == "request"
    assert root.getvalue() == ""
