"""Claims: a cluster that is killed and restarted, or starts late, loses no image."""

import json
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.faults.conftest import START_AGAIN_SECONDS
from tests.support.aws.cloud import BUCKET
from tests.support.images.fault_images import IMAGES_OF_A_BULK, change, fill
from tests.support.servers.opensearch_proxy import opensearch_proxy
from tests.support.waiting import PATIENCE_SECONDS

BULKS = 2
CHANGED = 10


def test_messages_sent_before_the_cluster_started_are_indexed(
    cloud, subscribe, running_functions, own_server, start, eventually, assert_consistent
):
    own_server.stop()
    queue = subscribe(again=START_AGAIN_SECONDS)
    fill(cloud, 20)
    with running_functions(queue, own_server.url) as service:
        eventually("every image came back", lambda: len(service.returned) == 20)
        start()
        eventually("the queue is empty", queue.is_empty)
    assert queue.dead() == []
    assert_consistent(own_server.url)


def kill_during_bulk(server, sent):
    """Kills the server after it wrote part of the bulk to its log, before the response."""
    before = written(server.folder)
    connection = HTTPConnection(urlsplit(server.url).netloc)
    connection.request(sent.method, sent.path, sent.body, {"content-type": "application/x-ndjson"})
    deadline = time.monotonic() + PATIENCE_SECONDS
    # Busy loop: the interval is short.
    while written(server.folder) == before and time.monotonic() < deadline:
        pass
    server.kill()
    connection.close()


def kill_before_response(server, sent):
    """Kills the server after it completed the bulk, before the response."""
    connection = HTTPConnection(urlsplit(server.url).netloc)
    connection.request(sent.method, sent.path, sent.body, {"content-type": "application/x-ndjson"})
    connection.getresponse().read()
    server.kill()
    connection.close()


def written(folder: Path) -> int:
    """Size of the transaction logs of all shards, in bytes."""
    return sum(path.stat().st_size for path in folder.glob("data/**/translog/*.tlog"))


@pytest.fixture
def killed():
    return threading.Event()


@pytest.fixture
def killing(own_server, killed):
    """A fault that kills the server at a point of the last bulk."""

    def at(moment, proxy):
        def fault(sent):
            if sent.is_bulk and len(proxy.bulks()) == BULKS:
                moment(own_server, sent)
                killed.set()
                raise ConnectionAbortedError

        return fault

    return at


@pytest.mark.parametrize("moment", [kill_during_bulk, kill_before_response])
def test_a_cluster_killed_during_a_bulk_and_restarted_has_every_image(
    cloud,
    subscribe,
    running_functions,
    own_server,
    start,
    killing,
    killed,
    eventually,
    assert_consistent,
    moment,
):
    """Images are overwritten, deleted and added during the outage."""
    start()
    keys = fill(cloud, BULKS * IMAGES_OF_A_BULK)
    queue = subscribe(again=START_AGAIN_SECONDS)
    queue.send(message(keys))
    with opensearch_proxy(own_server.url) as proxy:
        proxy.fault = killing(moment, proxy)
        with running_functions(queue, proxy.url) as service:
            assert killed.wait(PATIENCE_SECONDS)
            change(cloud, CHANGED)
            eventually("messages came back", lambda: len(service.returned) > CHANGED)
            start()
            eventually("the queue is empty", queue.is_empty)
    assert queue.dead() == []
    assert_consistent(own_server.url)


def message(keys: list[str]) -> str:
    """A backfill message."""
    return json.dumps({"bucket": BUCKET, "keys": keys})
