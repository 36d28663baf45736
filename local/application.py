"""What the server answers with: the search function and the folder's files, behind the guard."""

from collections.abc import Iterable, Mapping
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from imagesearch.adapters.folder_changes import UPLOAD_URL, FolderChanges
from imagesearch.adapters.folder_store import FolderStore
from local.files import KEEP, PREFIX, THUMBNAILS, Files
from local.gateway import Gateway, Handler, request_path
from local.guard import Guard
from local.uploads import Uploads
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
    api_key: str | None,
    cors_origin: str | None = None,
    uploads: bool = False,
) -> WSGIApplication:
    """The folder's files and their small copies, and everything else from the search function.

    With `uploads` it takes what a form that was signed here brings.
    """
    small = FolderStore(workspace.derived / THUMBNAILS.strip("/"))
    parts: dict[str, WSGIApplication] = {
        PREFIX: Files(FolderStore(workspace.folder)),
        THUMBNAILS: Files(small, THUMBNAILS, KEEP),
    }
    if uploads:
        changes = FolderChanges(workspace.folder, workspace.derived)
        parts[UPLOAD_URL] = Uploads(FolderStore(workspace.folder), changes)
    return Guard(Routes(parts, Gateway(handler)), host, api_key, cors_origin)
