"""Builds the handler of the tuning function from the environment."""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import EphemeralMetrics

from imagesearch import bootstrap
from imagesearch.domain.errors import ConfigurationError
from imagesearch.function_log import function_logger
from imagesearch.settings import Settings

from .handler import Handler, make_handler


def build_handler(environ: Mapping[str, str]) -> Handler:
    """The handler for the feedback of the current model. Raises ConfigurationError."""
    settings = Settings.from_environment(environ)
    store = bootstrap.derived_store(settings)
    if store is None:
        raise ConfigurationError("DERIVED_URI is not set", "set it to the store of feedback")
    metrics = EphemeralMetrics(
        namespace="imagesearch",
        service="tune",
        default_dimensions={"stack": settings.stack_name},
    )
    tuner = bootstrap.tuner(settings.model_uri, store)
    return make_handler(tuner, function_logger("tune", settings.log_level), metrics)
