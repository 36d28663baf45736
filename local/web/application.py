"""The WSGI application: authentication, then the API, the files and the uploads of one folder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from imagesearch import bootstrap
from imagesearch.access import key_bindings
from imagesearch.adapters.filesystem.bucket_changes import UPLOAD_URL, FolderChanges
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.domain.ports import UPLOAD_BYTES
from imagesearch.settings import Settings
from local.web.auth import ApiKeys, Auth
from local.web.errors import (
    MAX_BODY_BYTES,
    MAX_OTHER_BODY_BYTES,
    POST_ONLY,
    UPLOADS_ARE_OFF,
    ErrorResponse,
)
from local.web.files import PREFIX, THUMBNAILS, Listed, ScopedFiles, image_files, thumbnail_files
from local.web.gateway import request_path
from local.web.hosts import AllowedHosts, binds_loopback
from local.web.models import MODELS, ModelRoutes, ModelSwitch
from local.web.root_path import RootPath
from local.web.uploads import Uploads
from local.workspace import Workspace

API = "/v1/"
# The image and the form around it.
MAX_UPLOAD_BYTES = UPLOAD_BYTES + 2**16


class Routes:
    """Routes each path prefix to its application, and every other path to the API."""

    def __init__(self, prefixes: Mapping[str, WSGIApplication], api: WSGIApplication) -> None:
        self._prefixes = prefixes
        self._api = api

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = request_path(environ)
        apps = (app for prefix, app in self._prefixes.items() if path.startswith(prefix))
        return next(apps, self._api)(environ, start_response)

    def admit(self, environ: WSGIEnvironment) -> int | ErrorResponse:
        """The largest body of a request in bytes, or its error; by its headers."""
        path = request_path(environ)
        if path.startswith(UPLOAD_URL):
            if UPLOAD_URL not in self._prefixes:
                return UPLOADS_ARE_OFF
            return MAX_UPLOAD_BYTES if environ["REQUEST_METHOD"] == "POST" else POST_ONLY
        return MAX_BODY_BYTES if path.startswith(API) else MAX_OTHER_BODY_BYTES


@dataclass(frozen=True, slots=True)
class Access:
    """The host that the server is bound to, its API keys, and the host names of requests."""

    host: str
    keys: ApiKeys
    hosts: AllowedHosts


def application(
    workspace: Workspace,
    api: WSGIApplication,
    listed: Listed,
    access: Access,
    settings: Settings,
    models: ModelSwitch | None = None,
    root_path: str = "",
) -> RootPath:
    """The files and thumbnails of images that are `listed`, the API, and uploads if allowed.

    Models are installed with `models`, on a loopback address only. `root_path` is the path prefix
    of a reverse proxy.
    """
    store = bootstrap.folder_store(settings)
    thumbnails = FolderStore(workspace.derived / THUMBNAILS.strip("/"))
    bindings = key_bindings(settings.key_collections)
    prefixes: dict[str, WSGIApplication] = {
        PREFIX: ScopedFiles(image_files(store, listed), bindings),
        THUMBNAILS: thumbnail_files(thumbnails, listed),
    }
    if settings.allow_uploads:
        changes = FolderChanges(workspace.folder, workspace.derived, store.excludes)
        prefixes[UPLOAD_URL] = Uploads(store, changes)
    # With CORS_ORIGIN, a proxy may pass on requests from other machines.
    if models and binds_loopback(access.host) and settings.cors_origin is None:
        prefixes[MODELS] = ModelRoutes(models, bindings)
    routes = Routes(prefixes, api)
    auth = Auth(routes, access.hosts, access.keys, settings.cors_origin, routes.admit)
    return RootPath(auth, root_path, auth.admit)
