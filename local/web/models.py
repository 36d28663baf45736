"""Installation of models at /v1/models, for the search page of a server on a loopback address.

`GET /v1/models` returns the model in use and a better one; `POST /v1/models/NAME/install` starts to
install a model of the catalog and to switch to it. `GET /v1/health` reports the progress.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Protocol
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from imagesearch.access import KeyBindings
from imagesearch.domain.errors import NotAllowed, NotFound
from imagesearch.domain.ports import NextModel
from imagesearch.embedding.manifest import MANIFEST
from imagesearch.embedding.model_catalog import STARTER
from local.models.choice import BETTER
from local.models.installed import models_cache
from local.models.sources import catalog_entry
from local.web.errors import (
    KEY_IS_LIMITED,
    MODEL_IN_USE,
    NO_ROUTE,
    ErrorResponse,
    foreign_origin,
    switch_in_progress,
    unknown_model,
    wrong_method,
)
from local.web.gateway import KEY_ID, request_path, send_error

MODELS = "/v1/models"
_INSTALL = "install"


class SwitchInProgress(Exception):
    """Another model is being installed or indexed; the message is its name."""


class ModelSwitch(Protocol):
    """The change of the model of the served folder."""

    @property
    def model(self) -> str:
        """The name of the model in use."""

    def status(self) -> NextModel | None:
        """The progress of the change, or its failure; None if there is none."""

    def start(self, name: str) -> NextModel:
        """Start the change to a model; raises SwitchInProgress."""


class ModelRoutes:
    """A WSGI application over the models of the catalog.

    A request that a browser sends for a page of another site is refused with any CORS_ORIGIN.
    """

    def __init__(self, switch: ModelSwitch, bindings: KeyBindings) -> None:
        self._switch = switch
        self._bindings = bindings

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status, answer = "200 OK", self._answer(environ)
        if isinstance(answer, ErrorResponse):
            return send_error(answer, environ, start_response)
        if environ["REQUEST_METHOD"] == "POST":
            status = "202 Accepted"
        body = json.dumps(answer).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _is_limited(self, key_id: str | None) -> bool:
        try:
            return self._bindings.scope_of(key_id) is not None
        except NotAllowed:
            return True

    def _answer(self, environ: WSGIEnvironment) -> dict[str, Any] | ErrorResponse:
        if _is_cross_site(environ):
            return foreign_origin(str(environ.get("HTTP_ORIGIN", "")))
        if self._is_limited(environ.get(KEY_ID)):
            return KEY_IS_LIMITED
        method, path = environ["REQUEST_METHOD"], request_path(environ)
        match path.removeprefix(MODELS).split("/"):
            case [""]:
                return self._models() if method in ("GET", "HEAD") else wrong_method("GET")
            case ["", name, action] if name and action == _INSTALL:
                return self._install(name) if method == "POST" else wrong_method("POST")
        return NO_ROUTE

    def _models(self) -> dict[str, Any]:
        return {"model": self._switch.model, "offer": self._offer()}

    def _offer(self) -> dict[str, Any] | None:
        """The better model where the starter model is in use."""
        if self._switch.model != STARTER:
            return None
        try:
            entry = catalog_entry(BETTER)
        except NotFound:
            return None
        cache = models_cache(os.environ)
        return {
            "name": entry.name,
            "bytes": entry.bytes,
            "folder": str(cache),
            "installed": (cache / entry.name / MANIFEST).is_file(),
        }

    def _install(self, name: str) -> dict[str, Any] | ErrorResponse:
        if name == self._switch.model:
            return MODEL_IN_USE
        try:
            catalog_entry(name)
        except NotFound as error:
            return unknown_model(error.message, error.hint)
        try:
            return asdict(self._switch.start(name))
        except SwitchInProgress as error:
            return switch_in_progress(str(error))


def _is_cross_site(environ: WSGIEnvironment) -> bool:
    """True if the browser says that another origin sent the request: see Fetch Metadata.

    https://www.w3.org/TR/fetch-metadata/
    """
    origin = environ.get("HTTP_ORIGIN")
    if origin and urlsplit(origin).netloc != environ.get("HTTP_HOST"):
        return True
    return environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("same-origin", "none")
