"""What the server answers with: the search function and the folder's files, behind the guard."""

from collections.abc import Iterable, Mapping
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from imagesearch import bootstrap
from imagesearch.access import key_bindings
from imagesearch.adapters.filesystem.bucket_changes import UPLOAD_URL, FolderChanges
from imagesearch.adapters.filesystem.image_store import FolderStore
from imagesearch.settings import Settings
from local.lambda_runtime import Handler
from local.web.auth import ApiKeys, Auth
from local.web.files import KEEP, PREFIX, THUMBNAILS, Files, ScopedFiles
from local.web.gateway import Gateway, request_path
from local.web.uploads import Uploads
from local.workspace import Workspace


class Routes:
    """Each beginning of a path to its application, everything else to the search function."""

    def __init__(self, parts: Mapping[str, WSGIApplication], api: WSGIApplication) -> None:
        self._parts = parts
        self._api = api

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = request_path(environ)
        found = (app for begin, app in self._parts.items() if path.startswith(begin))
        return next(found, self._api)(environ, start_response)


def application(
    workspace: Workspace,
    handler: Handler,
    host: str,
    keys: ApiKeys,
    settings: Settings,
) -> WSGIApplication:
    """The folder's files and their small copies, and everything else from the search function.

    Where uploads are allowed it takes what a form that was signed here brings.
    """
    store = bootstrap.folder_store(settings)
    small = FolderStore(workspace.derived / THUMBNAILS.strip("/"))
    parts: dict[str, WSGIApplication] = {
        PREFIX: ScopedFiles(Files(store), key_bindings(settings.key_collections)),
        THUMBNAILS: Files(small, THUMBNAILS, KEEP),
    }
    if settings.allow_uploads:
        changes = FolderChanges(workspace.folder, workspace.derived, store.excludes)
        parts[UPLOAD_URL] = Uploads(store, changes)
    return Auth(Routes(parts, Gateway(handler)), host, keys, settings.cors_origin)
