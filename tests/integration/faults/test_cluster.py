"""Claims: a cluster that is killed and restarted, or starts late, loses no image."""

import json
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.aws.cloud import BUCKET
from tests.support.images.fault_images import IMAGES_OF_A_BULK, change, fill
from tests.support.servers.opensearch_proxy import proxy_before
from tests.support.waiting import PATIENCE_SECONDS

BULKS = 2
CHANGED = 10


def test_messages_sent_before_the_cluster_started_are_indexed(
    cloud, hear, working, own_server, start, eventually, assert_agreed
):
    own_server.stop()
    queue = hear()
    fill(cloud, 20)
    with working(queue, own_server.url) as service:
        eventually("every image came back", lambda: len(service.returned) == 20)
        start()
        eventually("the queue is empty", queue.is_empty)
    assert queue.dead() == []
    assert_agreed(own_server.url)


def kill_half_way(server, sent):
    """The server has written a part of the bulk to its log, and sent no response."""
    before = written(server.folder)
    connection = HTTPConnection(urlsplit(server.url).netloc)
    connection.request(sent.method, sent.path, sent.body, {"content-type": "application/x-ndjson"})
    deadline = time.monotonic() + PATIENCE_SECONDS
    # No pause: the moment is short.
    while written(server.folder) == before and time.monotonic() < deadline:
        pass
    server.kill()
    connection.close()


def kill_before_the_answer(server, sent):
    """The server has completed the bulk, and sent no response."""
    connection = HTTPConnection(urlsplit(server.url).netloc)
    connection.request(sent.method, sent.path, sent.body, {"content-type": "application/x-ndjson"})
    connection.getresponse().read()
    server.kill()
    connection.close()


def written(folder: Path) -> int:
    """The bytes of the transaction logs of all shards."""
    return sum(path.stat().st_size for path in folder.glob("data/**/translog/*.tlog"))


@pytest.fixture
def killed():
    return threading.Event()


@pytest.fixture
def killing(own_server, killed):
    """A fault that kills the server at a point of the last bulk."""

    def at(moment, proxy):
        def trouble(sent):
            if sent.path.startswith("/_bulk") and len(proxy.bulks()) == BULKS:
                moment(own_server, sent)
                killed.set()
                raise ConnectionAbortedError

        return trouble

    return at


@pytest.mark.parametrize("moment", [kill_half_way, kill_before_the_answer])
def test_a_cluster_killed_during_a_bulk_and_restarted_has_every_image(
    cloud, hear, working, own_server, start, killing, killed, eventually, assert_agreed, moment
):
    """Meanwhile images are overwritten, deleted and added."""
    start()
    keys = fill(cloud, BULKS * IMAGES_OF_A_BULK)
    queue = hear()
    queue.send(message(keys))
    with proxy_before(own_server.url) as proxy:
        proxy.trouble = killing(moment, proxy)
        with working(queue, proxy.url) as service:
            assert killed.wait(PATIENCE_SECONDS)
            change(cloud, CHANGED)
            eventually("messages came back", lambda: len(service.returned) > CHANGED)
            start()
            eventually("the queue is empty", queue.is_empty)
    assert queue.dead() == []
    assert_agreed(own_server.url)


def message(keys: list[str]) -> str:
    """The messages of a backfill."""
    return json.dumps({"bucket": BUCKET, "keys": keys})
