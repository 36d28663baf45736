"""The connection to OpenSearch: its address, how requests are signed, what its errors mean.

Which of the indexes on an OpenSearch server are ours.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from opensearchpy import OpenSearch
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

from imagesearch.adapters.opensearch.connection import StandardConnection, Timeout
from imagesearch.domain.errors import ConfigurationError, Unavailable

CONNECT_SECONDS = 3.0
READ_TIMEOUT = Timeout(connect=CONNECT_SECONDS, read=10.0)
BULK_TIMEOUT = Timeout(connect=CONNECT_SECONDS, read=15.0)
_AWS_HOST = re.compile(r"\.(amazonaws\.com(\.cn)?|on\.aws)$")
_AWS_REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.")
# It warns of every answer that is no success, also of an index that has not been made yet; what
# matters of these is raised.
logging.getLogger("opensearch").setLevel(logging.ERROR)

T = TypeVar("T")


class OpenSearchClient:
    """One server; what it is asked raises Unavailable or ConfigurationError."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        # A write must not be repeated behind the writer's back: it may have landed.
        self.raw = OpenSearch(
            hosts=[_address(parts)],
            http_auth=_authentication(parts),
            connection_class=StandardConnection,
            timeout=READ_TIMEOUT,
            max_retries=0,
        )

    def read(self, ask: Callable[[Any], T]) -> T:
        """Ask, once more where the connection broke: a pooled one may be dead for long."""
        with self.errors():
            try:
                return ask(self.raw)
            except ConnectionTimeout:
                raise
            except NoConnection:
                return ask(self.raw)

    def read_index(self, ask: Callable[[Any], T]) -> T | None:
        """The same; None where the index has not been made yet."""
        try:
            return self.read(ask)
        except _NoIndex:
            return None

    def post(self, path: str, body: str) -> Any:
        """A request without opensearch-py's preparations, which take as long as a search's JSON."""
        connection = self.raw.transport.get_connection()
        _, _, text = connection.perform_request("POST", path, body=body.encode())
        return json.loads(text)

    def close(self) -> None:
        """Drop the connections; the next request makes new ones."""
        self.raw.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        try:
            yield
        except (AuthenticationException, AuthorizationException) as error:
            if error.error == "cluster_block_exception":
                raise self._away(error) from error
            raise Unavailable(
                f"OpenSearch at {self._host} refuses access: {_reason(error)}",
                "check the domain's access policy, and user and password where INDEX_URL has them",
            ) from error
        except RequestError as error:
            raise ConfigurationError(
                f"OpenSearch at {self._host} does not understand a request: {_reason(error)}",
                "use a version from 3.3 with the k-NN plugin, and an index made by imagesearch",
            ) from error
        except NotFoundError as error:
            if error.error == "index_not_found_exception":
                raise _NoIndex(f"OpenSearch at {self._host} has no such index") from error
            raise self._away(error) from error
        except OpenSearchException as error:
            raise self._away(error) from error

    def _away(self, error: OpenSearchException) -> Unavailable:
        return Unavailable(
            f"OpenSearch at {self._host} does not answer: {_reason(error)}",
            "try again; check that the domain runs and that INDEX_URL names it",
        )


class _NoIndex(Unavailable):
    pass


def _reason(error: OpenSearchException) -> str:
    if not isinstance(error, TransportError):
        return str(error)
    if isinstance(error, NoConnection):
        return str(error.info)
    try:
        return f"{error.status_code} {error.info['error']['root_cause'][0]['reason']}"
    except (KeyError, IndexError, TypeError):
        return f"{error.status_code} {error.error}"


def _address(parts: SplitResult) -> dict[str, Any]:
    secure = parts.scheme == "https"
    return {
        "host": parts.hostname,
        "port": parts.port or (443 if secure else 9200),
        "use_ssl": secure,
        "url_prefix": parts.path.strip("/"),
    }


def _authentication(parts: SplitResult) -> Any:
    """User and password of the URL, or AWS's signature; None for a server that asks for neither."""
    if parts.username is not None:
        return (unquote(parts.username), unquote(parts.password or ""))
    host = parts.hostname or ""
    if not _AWS_HOST.search(host):
        return None
    import boto3

    return aws_signature(host, boto3.Session())


def aws_signature(host: str, session: Any) -> Any:
    """Signs requests with the session's credentials; raises ConfigurationError without them."""
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
    """The dimension of each index whose name begins so and that imagesearch made, by name."""
    with closing(OpenSearchClient(url)) as server:
        found = server.read(lambda client: client.indices.get_mapping(index=f"{prefix}*"))
    metas = {name: index["mappings"].get("_meta", {}) for name, index in found.items()}
    return {
        name: int(meta["dimension"]) for name, meta in metas.items() if meta.get("space") == name
    }
