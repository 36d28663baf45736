"""What stands before the application: foreign names and pages, and the API key.

The API keys of this server, and the cookies by which a page may show images.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from local.errors import UsageError
from local.web.errors import FORBIDDEN, ErrorResponse, foreign_host, foreign_origin
from local.web.files import PREFIX as FILES
from local.web.files import THUMBNAILS
from local.web.gateway import KEY_ID, request_path, send_error

KEY, KEYS = "IMAGESEARCH_API_KEY", "IMAGESEARCH_API_KEYS"
DEFAULT_ID = "default"


class ApiKeys:
    """Keys by their ids, as API Gateway has them. Without any, everybody may call."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = dict(keys)
        self._cookies = {
            id: hashlib.sha256(f"files {id} {key}".encode()).hexdigest() for id, key in keys.items()
        }

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """One key, and more as `id=key,other=key`; raises WrongUsage."""
        keys = {DEFAULT_ID: environ[KEY]} if environ.get(KEY) else {}
        for part in filter(None, environ.get(KEYS, "").split(",")):
            id, _, key = part.partition("=")
            if not (id and key) or id in keys:
                raise UsageError(f"{KEYS} is a list such as shop=key1,office=key2, each id once")
            keys[id] = key
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def holder(self, key: str) -> str | None:
        """The id of a key; None for one that is none."""
        return _found(self._keys, key)

    def cookie(self, id: str) -> str:
        return self._cookies[id]

    def holder_of_cookie(self, cookie: str) -> str | None:
        return _found(self._cookies, cookie)


def _found(secrets: Mapping[str, str], given: str) -> str | None:
    """Whose secret it is; how long that takes does not tell how much of it was right."""
    found = None
    for id, secret in secrets.items():
        if hmac.compare_digest(secret.encode(), given.encode()):
            found = id
    return found


if TYPE_CHECKING:
    from _typeshed import OptExcInfo

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
API = "/v1/"
COOKIE = "imagesearch-files"
SHOWN = (FILES, THUMBNAILS)


class Auth:
    """Lets a request through, or answers it with the reason why not.

    A server on the loopback answers to its own names only: another name that leads here is a
    page of another site (DNS rebinding). With a key, the API needs it in `x-api-key`; the files,
    which a page shows without being able to send headers, need the cookie that an answer of the
    API sets, as a bucket's need the signature in the URL that the API gives. Pages of `cors_origin`
    may call, too; what their browser asks before that has no key yet.
    """

    def __init__(
        self,
        app: WSGIApplication,
        host: str,
        keys: ApiKeys,
        cors_origin: str | None = None,
    ) -> None:
        self._app = app
        self._only_loopback = is_loopback(host)
        self._keys = keys
        self._cors_origin = cors_origin

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = request_path(environ)
        if error := self._objection(environ, path):
            return send_error(error, environ, start_response)
        holder = environ.get(KEY_ID)
        if holder and path.startswith(API):
            cookie = f"{COOKIE}={self._keys.cookie(holder)}; Path=/; HttpOnly; SameSite=Strict"
            start_response = _with_header(start_response, "Set-Cookie", cookie)
        return self._app(environ, start_response)

    def _objection(self, environ: WSGIEnvironment, path: str) -> ErrorResponse | None:
        host = str(environ.get("HTTP_HOST", ""))
        if self._only_loopback and _name(host) not in LOOPBACK_NAMES:
            return foreign_host(host)
        origin = environ.get("HTTP_ORIGIN")
        changes = environ["REQUEST_METHOD"] not in SAFE_METHODS
        if origin and changes and not self._is_known(origin, host):
            return foreign_origin(origin)
        return None if self._may_pass(environ, path) else FORBIDDEN

    def _is_known(self, origin: str, host: str) -> bool:
        return urlsplit(origin).netloc == host or self._cors_origin in ("*", origin)

    def _may_pass(self, environ: WSGIEnvironment, path: str) -> bool:
        if not self._keys or not path.startswith((API, *SHOWN)):
            return True
        if self._cors_origin and environ["REQUEST_METHOD"] == "OPTIONS" and path.startswith(API):
            return True
        holder = self._keys.holder(str(environ.get("HTTP_X_API_KEY", "")))
        if not holder and path.startswith(SHOWN):
            holder = self._keys.holder_of_cookie(_cookie(environ))
        environ[KEY_ID] = holder
        return holder is not None


def is_loopback(host: str) -> bool:
    """Whether a server bound to this host can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_header(start_response: StartResponse, name: str, value: str) -> StartResponse:
    def start(
        status: str,
        headers: list[tuple[str, str]],
        exc_info: "OptExcInfo | None" = None,
        /,
    ) -> Callable[[bytes], object]:
        return start_response(status, [*headers, (name, value)], exc_info)

    return start


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _cookie(environ: WSGIEnvironment) -> str:
    try:
        morsel = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
