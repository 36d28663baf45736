"""Builds the handler of the reconciling function from the environment."""

from collections.abc import Mapping

from imagesearch import bootstrap
from imagesearch.adapters.sqs import SqsQueue
from imagesearch.function_log import function_logger
from imagesearch.settings import Settings

from .handler import CURRENT, NEXT, Handler, ModelIndex, make_handler


def build_handler(environ: Mapping[str, str]) -> Handler:
    """The handler for the index of the current model and, if there is one, of the next model."""
    settings = Settings.from_environment(environ)
    indexes = {CURRENT: _model_index(settings)}
    if model := environ.get("NEXT_MODEL_URI"):
        names = {"MODEL_URI": model, "REVISIT_QUEUE_URL": environ["NEXT_MODEL_QUEUE_URL"]}
        indexes[NEXT] = _model_index(Settings.from_environment({**environ, **names}))
    thumbnails = bootstrap.thumbnail_cleanup(settings)
    uri = environ.get("INVENTORY_URI")
    inventory = bootstrap.inventory(settings, uri) if uri else None
    logger = function_logger("reconcile", settings.log_level)
    return make_handler(indexes, thumbnails, logger, inventory)


def _model_index(settings: Settings) -> ModelIndex:
    return ModelIndex(
        bootstrap.reconciler(settings), SqsQueue(bootstrap.recheck_queue_url(settings))
    )
