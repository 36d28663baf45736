"""Access of the smoke test to the API: the client, and requests without valid credentials."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from imagesearch.client import ImageSearch
from local.errors import UsageError

if TYPE_CHECKING:
    from botocore.credentials import Credentials

# A gateway responds within 29 seconds.
SECONDS, RETRIES = 30.0, 1
HEALTH = "v1/health"
SERVICE = "execute-api"
# Headers of the request that are not signed: a proxy may change them.
_SIGNED = ("host", "content-type")


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """The client with the user's credentials, and requests that the API must refuse, by name.

    Without credentials, `has_credentials` is false and the client sends none.
    """

    api: ImageSearch
    http: httpx.Client
    refusable: dict[str, Callable[[], httpx.Response]]
    has_credentials: bool

    def fetch(self, url: str) -> bytes:
        """The content of a URL of a response, which may be relative. Raises httpx.HTTPError."""
        response = self.http.get(url)
        response.raise_for_status()
        return response.content

    def close(self) -> None:
        self.api.close()
        self.http.close()


def access_with_key(
    endpoint: str, key: str | None, transport: httpx.BaseTransport | None = None
) -> ApiAccess:
    """Access with an API key, or without credentials if there is none."""
    base = _base(endpoint)
    own = _KeyOfHost(urlsplit(base).netloc, key)
    http = httpx.Client(base_url=base, auth=own, timeout=SECONDS, transport=transport)

    def ask(key: str | None) -> httpx.Response:
        headers = {"x-api-key": key} if key else {}
        return http.get(f"{base}{HEALTH}", headers=headers, auth=None)

    refusable: dict[str, Callable[[], httpx.Response]] = {"access without a key": lambda: ask(None)}
    if key:
        refusable["access with a wrong key"] = lambda: ask("wrong")
    api = ImageSearch(base, key, retries=RETRIES, timeout=SECONDS, transport=transport)
    return ApiAccess(api, http, refusable, has_credentials=bool(key))


class _KeyOfHost(httpx.Auth):
    """Adds the API key to requests to the API's host; a bucket must not receive it."""

    def __init__(self, host: str, key: str | None) -> None:
        self._host, self._key = host, key

    def auth_flow(self, request: httpx.Request) -> Any:
        if self._key and request.url.netloc.decode() == self._host:
            request.headers["x-api-key"] = self._key
        yield request


def access_with_token(
    endpoint: str, token: str, transport: httpx.BaseTransport | None = None
) -> ApiAccess:
    """Access with the token of a user of Amazon Cognito."""
    base = _base(endpoint)
    host, plain = urlsplit(base).netloc, transport or httpx.HTTPTransport()
    own = TokenTransport(plain, host, token)
    http = httpx.Client(base_url=base, transport=own, timeout=SECONDS)
    others = {
        "access without a token": httpx.Client(transport=plain, timeout=SECONDS),
        "access with a wrong token": httpx.Client(transport=TokenTransport(plain, host, "wrong")),
    }
    refusable: dict[str, Callable[[], httpx.Response]] = {
        name: partial(client.get, f"{base}{HEALTH}") for name, client in others.items()
    }
    api = ImageSearch(base, retries=RETRIES, timeout=SECONDS, transport=own)
    return ApiAccess(api, http, refusable, has_credentials=True)


class TokenTransport(httpx.BaseTransport):
    """Adds the token to the requests to the API's host; a bucket must not receive it."""

    def __init__(self, transport: httpx.BaseTransport, host: str, token: str) -> None:
        self._transport, self._host, self._token = transport, host, token

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.netloc.decode() == self._host:
            request.headers["authorization"] = self._token
        return self._transport.handle_request(request)

    def close(self) -> None:
        self._transport.close()


def access_with_iam(
    endpoint: str, session: Any = None, transport: httpx.BaseTransport | None = None
) -> ApiAccess:
    """Access with requests that are signed by the AWS credentials of a boto3 session.

    Without a Region in the host name, the one of the session is used. Raises UsageError.
    """
    import boto3
    from botocore.credentials import Credentials

    session = session or boto3.Session()
    base = _base(endpoint)
    region = _region(base) or session.region_name
    if not (credentials := session.get_credentials()) or not region:
        raise UsageError("--iam needs AWS credentials and a Region in the environment")
    host, plain = urlsplit(base).netloc, transport or httpx.HTTPTransport()
    signed = SigningTransport(plain, host, credentials, region)
    forged = SigningTransport(plain, host, Credentials(credentials.access_key, "wrong"), region)
    http, wrong = httpx.Client(transport=plain, timeout=SECONDS), httpx.Client(transport=forged)
    refusable = {
        "access without a signature": lambda: http.get(f"{base}{HEALTH}"),
        "access with a wrong signature": lambda: wrong.get(f"{base}{HEALTH}"),
    }
    api = ImageSearch(base, retries=RETRIES, timeout=SECONDS, transport=signed)
    return ApiAccess(api, http, refusable, has_credentials=True)


class SigningTransport(httpx.BaseTransport):
    """Signs the requests to the API's host (Signature Version 4); others are sent unchanged."""

    def __init__(
        self, transport: httpx.BaseTransport, host: str, credentials: "Credentials", region: str
    ) -> None:
        self._transport, self._host = transport, host
        self._credentials, self._region = credentials, region

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.netloc.decode() == self._host:
            self._sign(request)
        return self._transport.handle_request(request)

    def _sign(self, request: httpx.Request) -> None:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        # A space in a query is signed as %20; a plus sign is %2B.
        request.url = request.url.copy_with(query=request.url.query.replace(b"+", b"%20"))
        headers = {name: request.headers[name] for name in _SIGNED if name in request.headers}
        unsigned = AWSRequest(request.method, str(request.url), headers, request.read())
        SigV4Auth(self._credentials, SERVICE, self._region).add_auth(unsigned)
        request.headers.update(unsigned.headers.items())

    def close(self) -> None:
        self._transport.close()


def _region(url: str) -> str | None:
    """The Region in the host name of a deployed API; None for a custom domain."""
    labels = (urlsplit(url).hostname or "").split(".")
    return labels[2] if len(labels) > 3 and labels[1] == SERVICE else None


def _base(endpoint: str) -> str:
    return endpoint.rstrip("/").removesuffix("/v1") + "/"
