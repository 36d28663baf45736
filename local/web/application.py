"""The WSGI application: authentication, then the API, the files and the uploads of one folder."""

from collections.abc import Iterable, Mapping
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from imagesearch import bootstrap
from imagesearch.access import key_bindings
from imagesearch.adapters.filesystem.bucket_changes import UPLOAD_URL, FolderChanges
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.settings import Settings
from local.lambda_runtime import Handler
from local.web.auth import ApiKeys, Auth
from local.web.files import IMMUTABLE, PREFIX, THUMBNAILS, Files, ScopedFiles
from local.web.gateway import Gateway, request_path
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
    handler: Handler,
    host: str,
    keys: ApiKeys,
    settings: Settings,
) -> WSGIApplication:
    """The files and thumbnails of the folder, the search function, and uploads if allowed."""
    store = bootstrap.folder_store(settings)
    thumbnails = FolderStore(workspace.derived / THUMBNAILS.strip("/"))
    prefixes: dict[str, WSGIApplication] = {
        PREFIX: ScopedFiles(Files(store), key_bindings(settings.key_collections)),
        THUMBNAILS: Files(thumbnails, THUMBNAILS, IMMUTABLE),
    }
    if settings.allow_uploads:
        changes = FolderChanges(workspace.folder, workspace.derived, store.excludes)
        prefixes[UPLOAD_URL] = Uploads(store, changes)
    return Auth(Routes(prefixes, Gateway(handler)), host, keys, settings.cors_origin)
