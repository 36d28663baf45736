"""Authentication and host check: API keys, the cookie for image files, foreign hosts and origins.

The host check prevents DNS rebinding; the origin check prevents cross-site requests.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Self
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from imagesearch.access import key_bindings
from local.errors import UsageError
from local.web.connections import LOCAL_ADDRESS, Admission
from local.web.errors import FORBIDDEN, ErrorResponse, foreign_host, foreign_origin
from local.web.files import PREFIX as FILES
from local.web.files import THUMBNAILS
from local.web.gateway import KEY_ID, request_path, send_error
from local.web.hosts import AllowedHosts

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

KEY, KEYS = "IMAGESEARCH_API_KEY", "IMAGESEARCH_API_KEYS"
BINDINGS = "KEY_COLLECTIONS"
DEFAULT_ID = "default"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
API = "/v1/"
COOKIE = "imagesearch-files"
FILE_PREFIXES = (FILES, THUMBNAILS)


class ApiKeys:
    """API keys by their ids, as in API Gateway. Without keys, every client has access."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = dict(keys)
        self._cookies = {
            id: hashlib.sha256(f"files {id} {key}".encode()).hexdigest() for id, key in keys.items()
        }

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """IMAGESEARCH_API_KEY, IMAGESEARCH_API_KEYS as `id=key,other=key`. Raises UsageError."""
        keys = {DEFAULT_ID: environ[KEY]} if environ.get(KEY) else {}
        for part in filter(None, environ.get(KEYS, "").split(",")):
            id, _, key = part.partition("=")
            if not (id and key) or id in keys:
                raise UsageError(
                    f"{KEYS} must be a list such as shop=key1,office=key2 with unique ids"
                )
            keys[id] = key
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def check_bindings(self, text: str) -> None:
        """Raises UsageError unless KEY_COLLECTIONS, if set, names exactly these keys."""
        try:
            bindings = key_bindings(text)
        except ValueError as error:
            raise UsageError(f"{BINDINGS} {error}") from error
        if not bindings.scopes:
            return
        if unknown := sorted(bindings.scopes.keys() - self._keys.keys()):
            known = ", ".join(sorted(self._keys)) or f"none: set {KEYS}"
            raise UsageError(
                f"{BINDINGS} names {', '.join(unknown)}, which is no key of this server ({known})"
            )
        if missing := sorted(self._keys.keys() - bindings.scopes.keys()):
            raise UsageError(
                f"{BINDINGS} does not name the key {', '.join(missing)}:"
                f" add {missing[0]}=COLLECTION, or {missing[0]}=* for all collections"
            )

    def holder(self, key: str) -> str | None:
        """The id of a key, or None if the key is unknown."""
        return _holder(self._keys, key)

    def cookie(self, id: str) -> str:
        """The cookie value that grants access to files: a SHA-256 over the id and the key."""
        return self._cookies[id]

    def holder_of_cookie(self, cookie: str) -> str | None:
        """The id of the key behind a cookie value, or None if it is unknown."""
        return _holder(self._cookies, cookie)


def _holder(secrets: Mapping[str, str], secret: str) -> str | None:
    """The id of a secret, compared in constant time."""
    holder = None
    for id, known in secrets.items():
        if hmac.compare_digest(known.encode(), secret.encode()):
            holder = id
    return holder


class Auth:
    """Passes a request on to the application, or responds with the error.

    Every path requires a host name of this server. With API keys, the API requires one in
    `x-api-key`. Files require the key or the cookie that every API response sets, because a page
    cannot send headers with an image; the cookie replaces the signature in a presigned URL. Pages
    of `cors_origin` have access, and their preflight requests need no key.
    """

    def __init__(
        self,
        app: WSGIApplication,
        hosts: AllowedHosts,
        keys: ApiKeys,
        cors_origin: str | None = None,
        admit: Admission = lambda _: 0,
    ) -> None:
        """`admit` is the admission of requests that have access, see `admit`."""
        self._app = app
        self._hosts = hosts
        self._admit = admit
        self._keys = keys
        self._cors_origin = cors_origin

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = request_path(environ)
        if error := self._error(environ, path):
            return send_error(error, environ, start_response)
        holder = environ.get(KEY_ID)
        if holder and path.startswith(API):
            value, root = self._keys.cookie(holder), environ.get("SCRIPT_NAME", "")
            cookie = f"{COOKIE}={value}; Path={root}/; HttpOnly; SameSite=Strict"
            start_response = _with_header(start_response, "Set-Cookie", cookie)
        return self._app(environ, start_response)

    def admit(self, environ: WSGIEnvironment) -> int | ErrorResponse:
        """The largest body of a request in bytes, or its error; by its headers."""
        return self._error(environ, request_path(environ)) or self._admit(environ)

    def _error(self, environ: WSGIEnvironment, path: str) -> ErrorResponse | None:
        host = str(environ.get("HTTP_HOST", ""))
        if not self._hosts.accepts(host, environ.get(LOCAL_ADDRESS, "")):
            return foreign_host(host)
        origin = environ.get("HTTP_ORIGIN")
        changes = environ["REQUEST_METHOD"] not in SAFE_METHODS
        if origin is not None and changes and not self._is_allowed_origin(origin, host):
            return foreign_origin(origin)
        return None if self._is_authorized(environ, path) else FORBIDDEN

    def _is_allowed_origin(self, origin: str, host: str) -> bool:
        own = (f"{scheme}://{host}".lower() for scheme in ("http", "https"))
        return origin.lower() in own or self._cors_origin in ("*", origin)

    def _is_authorized(self, environ: WSGIEnvironment, path: str) -> bool:
        if not self._keys or not path.startswith((API, *FILE_PREFIXES)):
            return True
        if self._cors_origin and environ["REQUEST_METHOD"] == "OPTIONS" and path.startswith(API):
            return True
        holder = self._keys.holder(str(environ.get("HTTP_X_API_KEY", "")))
        if not holder and path.startswith(FILE_PREFIXES):
            holder = self._keys.holder_of_cookie(_cookie(environ))
        environ[KEY_ID] = holder
        return holder is not None


def _with_header(start_response: StartResponse, name: str, value: str) -> StartResponse:
    def start(
        status: str,
        headers: list[tuple[str, str]],
        exc_info: "OptExcInfo | None" = None,
        /,
    ) -> Callable[[bytes], object]:
        return start_response(status, [*headers, (name, value)], exc_info)

    return start


def _cookie(environ: WSGIEnvironment) -> str:
    """The value of the files cookie, which is hexadecimal and so never quoted.

    http.cookies takes quadratic time for a value of backslashes.
    """
    for pair in str(environ.get("HTTP_COOKIE", "")).split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
