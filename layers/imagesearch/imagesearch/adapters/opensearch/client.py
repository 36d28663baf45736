"""The client of an OpenSearch server: connection, TLS, authentication and mapping of errors."""

import json
import logging
import re
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from opensearchpy import OpenSearch, Urllib3HttpConnection
from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionTimeout,
    NotFoundError,
    OpenSearchException,
    RequestError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as NoConnection
from urllib3 import Timeout

from imagesearch.domain.errors import ConfigurationError, Unavailable

MAX_CONNECTIONS = 16
CONNECT_SECONDS = 3.0
READ_TIMEOUT = Timeout(connect=CONNECT_SECONDS, read=10.0)
BULK_TIMEOUT = Timeout(connect=CONNECT_SECONDS, read=15.0)
_AWS_HOST = re.compile(r"\.(amazonaws\.com(\.cn)?|on\.aws)$")
_AWS_REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
# opensearch-py logs a warning for every response that is no success, such as that of an index which
# has not been created yet; errors that matter are raised.
logging.getLogger("opensearch").setLevel(logging.ERROR)

T = TypeVar("T")


class OpenSearchClient:
    """One server; requests raise Unavailable or ConfigurationError.

    `url` may contain user and password; requests to an AWS host are signed instead (SigV4).
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        # No retries by the client: a write that seems to have failed may have been applied.
        self.raw = OpenSearch(
            hosts=[_address(parts)],
            connection_class=Urllib3HttpConnection,
            pool_maxsize=MAX_CONNECTIONS,
            timeout=READ_TIMEOUT,
            max_retries=0,
            **_tls(parts),
            **_authentication(parts),
        )

    def read(self, request: Callable[[Any], T]) -> T:
        """Send a request that changes nothing, twice where the connection broke.

        A pooled connection may have been dropped by a firewall or while a function was frozen.
        """
        with self.errors():
            try:
                return request(self.raw)
            except ConnectionTimeout:
                raise
            except NoConnection:
                return request(self.raw)

    def read_index(self, request: Callable[[Any], T]) -> T | None:
        """The same; None while the index has not been created."""
        try:
            return self.read(request)
        except _NoIndex:
            return None

    def post(self, path: str, body: str) -> Any:
        """POST without opensearch-py's argument handling, which costs as much as the JSON."""
        connection = self.raw.transport.get_connection()
        _, _, text = connection.perform_request("POST", path, body=body.encode())
        return json.loads(text)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self.raw.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        try:
            yield
        except (AuthenticationException, AuthorizationException) as error:
            if error.error == "cluster_block_exception":
                raise self._unavailable(error) from error
            raise Unavailable(
                f"OpenSearch at {self._host} denies access: {_reason(error)}",
                "check the domain's access policy, and user and password where INDEX_URL has them",
            ) from error
        except RequestError as error:
            raise ConfigurationError(
                f"OpenSearch at {self._host} rejects a request: {_reason(error)}",
                "use OpenSearch 3.3 or later with k-NN, and an index created by imagesearch",
            ) from error
        except NotFoundError as error:
            if error.error == "index_not_found_exception":
                raise _NoIndex(f"OpenSearch at {self._host} has no such index") from error
            raise self._unavailable(error) from error
        except OpenSearchException as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OpenSearchException) -> Unavailable:
        return Unavailable(
            f"OpenSearch at {self._host} is unavailable: {_reason(error)}",
            "try again; check that the domain is running and that INDEX_URL is its address",
        )


class _NoIndex(Unavailable):
    pass


def _reason(error: OpenSearchException) -> str:
    if not isinstance(error, TransportError):
        return str(error)
    if isinstance(error, NoConnection):
        return connection_error(error)
    try:
        return f"{error.status_code} {error.info['error']['root_cause'][0]['reason']}"
    except (KeyError, IndexError, TypeError):
        return f"{error.status_code} {error.error}"


def connection_error(error: NoConnection) -> str:
    """The cause that the system reports, without urllib3's nested descriptions of it."""
    cause: BaseException = error.info
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    return str(cause) or repr(cause)


def _address(parts: SplitResult) -> dict[str, Any]:
    secure = parts.scheme == "https"
    return {
        "host": parts.hostname,
        "port": parts.port or (443 if secure else 9200),
        "use_ssl": secure,
        "url_prefix": parts.path.strip("/"),
    }


def _tls(parts: SplitResult) -> dict[str, Any]:
    """Trusts SSL_CERT_FILE or SSL_CERT_DIR, as OpenSSL does, or else the bundle of certifi."""
    if parts.scheme != "https":
        return {}
    bundle = Urllib3HttpConnection.default_ca_certs()
    cafile = bundle if bundle and Path(bundle).is_file() else None
    return {"ssl_context": ssl.create_default_context(cafile=cafile)}


def _authentication(parts: SplitResult) -> dict[str, Any]:
    """User and password of the URL, or the signature of an AWS host; nothing for other servers."""
    if parts.username is not None:
        # Not by `http_auth`, which encodes a password as Latin-1.
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"headers": {"authorization": f"Basic {b64encode(user.encode()).decode()}"}}
    host = parts.hostname or ""
    if not _AWS_HOST.search(host):
        return {}
    import boto3

    return {"http_auth": aws_signature(host, boto3.Session())}


def aws_signature(host: str, session: Any) -> Any:
    """A signer of requests by the session's credentials; raises ConfigurationError without any."""
    from opensearchpy import Urllib3AWSV4SignerAuth

    named = _AWS_REGION.search(host)
    region = named[1] if named else session.region_name
    credentials = session.get_credentials()
    if not region or not credentials:
        raise ConfigurationError(
            f"requests to {host} cannot be signed: no AWS {'credentials' if region else 'region'}",
            "give the function a role, or set AWS_REGION and credentials in the environment",
        )
    return Urllib3AWSV4SignerAuth(credentials, region, "es")


def index_dimensions(url: str, prefix: str) -> dict[str, int]:
    """The dimension of each index with this name prefix that imagesearch created, by name."""
    with closing(OpenSearchClient(url)) as server:
        mappings = server.read(lambda client: client.indices.get_mapping(index=f"{prefix}*"))
    metas = {name: index["mappings"].get("_meta", {}) for name, index in mappings.items()}
    return {
        name: int(meta["dimension"]) for name, meta in metas.items() if meta.get("space") == name
    }
