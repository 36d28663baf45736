"""Restore: what is not valid in a function restored from a snapshot is renewed by its hooks."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest

from imagesearch.snapshots import after_restore, reconnected, renew_random_state
from tests.support.handlers import http
from tests.support.paths import REPOSITORY, STARTER_MODEL

RUNTIME = """
hooks = []
register_after_restore = hooks.append
"""
# Imports the function as the runtime does, runs its hooks and calls its handler.
FUNCTION = """
import json, os, subprocess, sys
import snapshot_restore_py
from functions.search import app
from imagesearch import bootstrap
from imagesearch.domain.images import ImageRef
store, image = bootstrap.image_store(app.settings), ImageRef("pictures", "a.jpg")
children = subprocess.run(
    ["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True
).stdout.split()
decoders = [pid for pid in children if os.path.exists(f"/proc/{pid}")]
before = store.url(image)
store.head(image)
for hook in snapshot_restore_py.hooks:
    hook()
store.head(image)
context = type("Context", (), {
    "aws_request_id": "r", "get_remaining_time_in_millis": lambda self: 60_000
})()
answer = app.handler(json.loads(sys.argv[1]), context)
print(json.dumps([decoders, before, store.url(image), answer["statusCode"]]))
"""


class Role(BaseHTTPRequestHandler):
    """The credentials of a role, which expire at once, and an S3 endpoint without objects."""

    protocol_version = "HTTP/1.1"
    tokens: list[str]
    connections: list[Any]

    def do_GET(self) -> None:
        if self.path != "/credentials":
            self._send(404, b"")
            return
        token = f"token-{len(self.tokens)}"
        self.tokens.append(token)
        expiration = datetime.now(UTC) + timedelta(seconds=-1 if len(self.tokens) == 1 else 9_000)
        body = json.dumps(
            {
                "AccessKeyId": "id",
                "SecretAccessKey": "secret",
                "Token": token,
                "Expiration": f"{expiration:%Y-%m-%dT%H:%M:%SZ}",
            }
        ).encode()
        self._send(200, body)

    def do_HEAD(self) -> None:
        self.connections.append(self.client_address)
        self._send(404, b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def role() -> Iterator[tuple[str, type[Role]]]:
    handler = type("RunningRole", (Role,), {"tokens": [], "connections": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


def test_an_action_is_registered():
    left = []
    after_restore(left.clear, left.append)
    assert left == [left.clear]


def test_nothing_is_registered_without_snapshots():
    class Adapter:
        def close(self) -> None: ...

    assert reconnected(adapter := Adapter()) is adapter


def test_restored_functions_draw_different_random_numbers():
    state, numpy_state = random.getstate(), np.random.get_state()
    drawn = set()
    for _ in range(3):
        random.setstate(state)
        np.random.set_state(numpy_state)
        renew_random_state()
        drawn |= {random.random(), np.random.random()}
    assert len(drawn) == 6


@pytest.mark.slow
def test_a_restored_function_has_decoders_and_new_connections_and_credentials(tmp_path, role):
    """Simulates the module that exists only in the Lambda runtime."""
    url, server = role
    (tmp_path / "snapshot_restore_py.py").write_text(RUNTIME)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = clean | {
        "PYTHONPATH": os.pathsep.join((str(tmp_path), str(REPOSITORY))),
        "AWS_LAMBDA_FUNCTION_NAME": "search",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/credentials",
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "POWERTOOLS_METRICS_DISABLED": "true",
        "LOG_LEVEL": "ERROR",
        "BUCKET": "pictures",
        "DERIVED_URI": "s3://derived",
        "INDEX_URL": f"sqlite://{tmp_path}/index.db",
        "MODEL_URI": str(STARTER_MODEL),
        "QUEUE_URL": f"{url}/queue",
    }
    event = json.dumps(http("GET", "/v1/search", q="a cat"))
    done = subprocess.run(
        [sys.executable, "-c", FUNCTION, event],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    decoders, before, after, status = json.loads(done.stdout)
    assert len(decoders) >= 1
    assert status == 200
    assert "token" in before
    assert f"X-Amz-Security-Token={server.tokens[-1]}&" in after
    first, second = server.connections
    assert first != second
