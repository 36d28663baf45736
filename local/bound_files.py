"""Shows the holder of a bound API key the files of the key's collections, and no others."""

from collections.abc import Iterable, Mapping
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from imagesearch.domain.images import ImageRef
from imagesearch.scoping import Scope
from local.gateway import KEY_ID, request_path, send_error
from local.web.errors import NO_FILE
from local.web.files import PREFIX


class BoundFiles:
    """Small copies need no such bound: their addresses hold a digest of what they show."""

    def __init__(self, files: WSGIApplication, scopes: Mapping[str, Scope]) -> None:
        self._files = files
        self._scopes = scopes

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        scope = self._scopes.get(environ.get(KEY_ID) or "")
        key = request_path(environ).removeprefix(PREFIX)
        if scope and not scope.holds(ImageRef("", key)):
            return send_error(NO_FILE, environ, start_response)
        return self._files(environ, start_response)
