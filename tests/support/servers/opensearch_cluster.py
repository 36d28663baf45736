"""Three OpenSearch nodes on this machine, and the one address that clients know."""

import itertools
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from local.opensearch.server import SHORT_LIVED, OpenSearchServer, free_port
from tests.support.paths import server_parent

NODES = 3
BUFFER_BYTES = 64 * 2**10


@contextmanager
def opensearch_cluster() -> Iterator[list[OpenSearchServer]]:
    """The nodes of a new cluster; each keeps its files over a restart. Raises CannotStart."""
    names = [f"node-{number}" for number in range(NODES)]
    ports = [free_port() for _ in names]
    with tempfile.TemporaryDirectory(prefix="imagesearch-cluster-", dir=server_parent()) as parent:
        nodes = []
        for name, port in zip(names, ports, strict=True):
            folder = Path(parent) / name
            folder.mkdir()
            settings = {
                "discovery.type": "zen",
                "node.name": name,
                "transport.port": str(port),
                "discovery.seed_hosts": ",".join(f"127.0.0.1:{each}" for each in ports),
                "cluster.initial_cluster_manager_nodes": ",".join(names),
            }
            nodes.append(OpenSearchServer(folder, java_options=SHORT_LIVED, settings=settings))
        Path(parent).chmod(0o755)
        # The first one waits for a second one. A node ends with the thread that started it.
        with ThreadPoolExecutor(NODES) as threads:
            try:
                list(threads.map(OpenSearchServer.start, nodes))
                yield nodes
            finally:
                for node in nodes:
                    node.kill()


@contextmanager
def load_balancer(urls: Sequence[str]) -> Iterator[str]:
    """One address whose connections go to the servers in turn, as the endpoint of a domain does.

    A server that refuses connections is left out.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    ports = itertools.cycle([urlsplit(url).port or 0 for url in urls])
    thread = threading.Thread(target=_accept, args=(listener, ports, len(urls)), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _accept(listener: socket.socket, ports: Iterator[int], servers: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        for port in itertools.islice(ports, servers):
            with suppress(OSError):
                server = socket.create_connection(("127.0.0.1", port))
                threading.Thread(target=_relay, args=(client, server), daemon=True).start()
                break
        else:
            client.close()


def _relay(client: socket.socket, server: socket.socket) -> None:
    with client, server:
        answers = threading.Thread(target=_copy, args=(server, client), daemon=True)
        answers.start()
        _copy(client, server)
        answers.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(BUFFER_BYTES):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
