"""The WSGI application: authentication, then the API, the files and the uploads of one folder."""

from collections.abc import Iterable, Mapping
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from imagesearch import bootstrap
from imagesearch.access import key_bindings
from imagesearch.adapters.filesystem.bucket_changes import UPLOAD_URL, FolderChanges
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.settings import Settings
from local.web.auth import ApiKeys, Auth, is_loopback
from local.web.files import IMMUTABLE, PREFIX, THUMBNAILS, Files, ScopedFiles
from local.web.gateway import request_path
from local.web.models import MODELS, ModelRoutes, ModelSwitch
from local.web.root_path import RootPath
from local.web.uploads import Uploads
from local.workspace import Workspace


class Routes:
    """Routes each path prefix to its application, and every other path to the API."""

    def __init__(self, prefixes: Mapping[str, WSGIApplication], api: WSGIApplication) -> None:
        self._prefixes = prefixes
        self._api = api

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = request_path(environ)
        apps = (app for prefix, app in self._prefixes.items() if path.startswith(prefix))
        return next(apps, self._api)(environ, start_response)


def application(
    workspace: Workspace,
    api: WSGIApplication,
    host: str,
    keys: ApiKeys,
    settings: Settings,
    models: ModelSwitch | None = None,
    root_path: str = "",
) -> WSGIApplication:
    """The files and thumbnails of the folder, the API, and uploads if allowed.

    Models are installed with `models`, on a loopback address only. `root_path` is the path prefix
    of a reverse proxy.
    """
    store = bootstrap.folder_store(settings)
    thumbnails = FolderStore(workspace.derived / THUMBNAILS.strip("/"))
    bindings = key_bindings(settings.key_collections)
    prefixes: dict[str, WSGIApplication] = {
        PREFIX: ScopedFiles(Files(store), bindings),
        THUMBNAILS: Files(thumbnails, THUMBNAILS, IMMUTABLE),
    }
    if settings.allow_uploads:
        changes = FolderChanges(workspace.folder, workspace.derived, store.excludes)
        prefixes[UPLOAD_URL] = Uploads(store, changes)
    # With CORS_ORIGIN, a proxy may pass on requests from other machines.
    if models and is_loopback(host) and settings.cors_origin is None:
        prefixes[MODELS] = ModelRoutes(models, bindings)
    app = Auth(Routes(prefixes, api), host, keys, settings.cors_origin)
    return RootPath(app, root_path)
