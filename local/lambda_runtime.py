"""The Lambda functions in this process: their environment variables, context and handlers.

The variables replace those that template.yaml sets.
"""

import logging
import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imagesearch.adapters.filesystem.secret_file import secret_of
from imagesearch.domain.ports import ChangeQueue, NextModel
from imagesearch.settings import Settings
from local.workspace import Workspace, uses_server

if TYPE_CHECKING:
    from imagesearch.indexing.indexer import Indexer

# Linux limits a variable to 128 KiB, and decoder processes inherit this one.
MAX_REUSE_CHARACTERS = 65_536
SIGNING_SECRET = "signing-secret"  # noqa: S105 - a file's name
# Half of the first is for the images of a request (functions/search/handler.py).
SEARCH_SECONDS, INDEX_SECONDS = 60, 15 * 60

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def set_environment(workspace: Workspace, model_folder: Path) -> Settings:
    """Set the variables that the functions read on import.

    Metrics and traces are disabled, and the log level is ERROR unless it is set.
    """
    os.environ.update(
        _names(workspace, model_folder),
        REUSE_FROM=_reuse_from(workspace),
        POWERTOOLS_METRICS_DISABLED="true",
        POWERTOOLS_TRACE_DISABLED="true",
    )
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    return Settings.from_environment(os.environ)


def settings_of(workspace: Workspace, model_folder: Path) -> Settings:
    """The functions' settings for this folder and model, without a change of the environment."""
    return Settings.from_environment(os.environ | _names(workspace, model_folder))


def _reuse_from(workspace: Workspace) -> str:
    """The indexes of other folders, as many as fit into MAX_REUSE_CHARACTERS."""
    text = ""
    for other in workspace.others():
        index, derived = (quote(os.fsencode(path)) for path in (other.index_file, other.derived))
        more = f"{text} sqlite://{index},file://{derived}".lstrip()
        if len(more) > MAX_REUSE_CHARACTERS:
            break
        text = more
    return text


def _names(workspace: Workspace, model_folder: Path) -> dict[str, str]:
    # Loads the HTTP client of downloads, which a benchmark of a function's start must not count.
    from local.models.installed import models_cache

    index = {"INDEX_URL": f"sqlite://{quote(os.fsencode(workspace.index_file))}"}
    if uses_server():
        # One server holds the indexes of many folders.
        index = {"INDEX_URL": os.environ["INDEX_URL"], "INDEX_PREFIX": f"images-{workspace.digest}"}
    return {
        "BUCKET": workspace.folder.as_uri(),
        **index,
        "DERIVED_URI": f"file://{quote(os.fsencode(workspace.derived))}",
        # The index stays on this machine, as the files do.
        "EXIF_GPS": os.environ.get("EXIF_GPS") or "true",
        "MODEL_URI": str(model_folder),
        "OWN_FOLDERS": f"file://{quote(os.fsencode(models_cache(os.environ)))}",
        # Queues that the environment names do not belong to this folder.
        "QUEUE_URL": "",
        "REVISIT_QUEUE_URL": "",
    }


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The attributes of Lambda's context that functions read, without a limit of memory.

    The time limit is not enforced: functions divide what is left of it among their images.
    """

    function_name: str
    started: float = field(default_factory=time.monotonic)
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 0
    log_group_name: str = "local"
    log_stream_name: str = "local"

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:local:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        limit = SEARCH_SECONDS if self.function_name == "search" else INDEX_SECONDS
        return max(0, round((self.started + limit - time.monotonic()) * 1000))


def index_images(settings: Settings, indexer: "Indexer") -> Handler:
    """The indexing function with this indexer; call it after `set_environment`."""
    from functions.index_images.composition import build_handler

    handler = build_handler(settings, indexer)
    _log_to_stderr("index_images")
    return handler


def search(
    settings: Settings,
    queue: ChangeQueue,
    next_model: Callable[[], NextModel | None] = lambda: None,
) -> Handler:
    """The search function over a queue of this process; call it after `set_environment`.

    Its health check reports the progress of `next_model`.
    """
    from functions.search.composition import build_handler
    from imagesearch.bootstrap import local_path

    handler = build_handler(
        settings, queue, next_model, _secret(local_path(settings.derived_uri or ""))
    )
    _log_to_stderr("search")
    return handler


def _secret(derived: Path) -> bytes | None:
    """The secret of the folder's cursors and search ids; None where it cannot be stored.

    Not part of the settings, which identify the open index.
    """
    try:
        return secret_of(derived / SIGNING_SECRET)
    except OSError:
        return None


def _log_to_stderr(name: str) -> None:
    """Write the function's logs to standard error: standard output is for results."""
    from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

    for handler in logging.getLogger(name).handlers:
        own = isinstance(handler.formatter, LambdaPowertoolsFormatter)
        if own and isinstance(handler, logging.StreamHandler):
            handler.stream = sys.stderr  # setStream would flush the old one, which may be closed
