"""Claim: while a node of three is killed and restarted, searches succeed and no image is lost."""

import os
import threading
import time

import pytest

from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.queries import VectorQuery
from tests.support.images.fault_images import change, fill
from tests.support.models.encoders import DIMENSION, vector_of
from tests.support.servers.opensearch_cluster import load_balancer, opensearch_cluster
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.skipif("CHAOS" not in os.environ, reason="three servers: see make chaos")
IMAGES, CHANGED = 60, 10
RETRY_SECONDS = 0.5


class Searches(threading.Thread):
    """Searches for one image until stopped; `retries` has the number for each search."""

    def __init__(self, index):
        super().__init__(daemon=True)
        self._index = index
        self._stop_now = threading.Event()
        self.retries = []
        self.failed = []

    def run(self):
        query = VectorQuery(vector_of(b"image 59"), 1)
        while not self._stop_now.is_set():
            retries, deadline = 0, time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    hits = self._index.search(query)
                    break
                except Unavailable as error:
                    if time.monotonic() > deadline:
                        self.failed.append(error.message)
                        return
                    retries += 1
                    self._stop_now.wait(RETRY_SECONDS)
            if [hit.document.ref.key for hit in hits] != ["00059.png"]:
                self.failed.append("the image was not found")
            self.retries.append(retries)

    def stop(self):
        self._stop_now.set()
        self.join()


@pytest.fixture
def nodes():
    with opensearch_cluster() as made:
        yield made


@pytest.fixture
def node_of_primary(index_name):
    """The node that holds the primary shard of the index."""

    def find(index, nodes):
        shards = index._client.raw.cat.shards(index=index_name, format="json")
        [name] = [each["node"] for each in shards if each["prirep"] == "p"]
        return nodes[int(name.removeprefix("node-"))]

    return find


def test_a_killed_and_restarted_node_fails_no_search_and_loses_no_image(
    cloud,
    subscribe,
    running_functions,
    nodes,
    node_of_primary,
    index_name,
    eventually,
    assert_consistent,
    capsys,
):
    with load_balancer([node.url for node in nodes]) as url:
        index = OpenSearchIndex(url, index_name, DIMENSION, model="digest")
        queue = subscribe()
        fill(cloud, IMAGES)
        with running_functions(queue, url):
            eventually("the bucket is indexed", queue.is_empty)
            eventually("the index has a replica", lambda: index.health().status == "green")
            eventually("searches see it", lambda: index.count() == IMAGES)
            searches = Searches(index)
            searches.start()
            killed = node_of_primary(index, nodes)
            change(cloud, CHANGED)
            killed.kill()
            fill_more(cloud)
            eventually("searches go on", lambda: len(searches.retries) > 20 or searches.failed)
            eventually("the queue is empty", queue.is_empty)
            killed.start()
            eventually("the replica is back", lambda: index.health().status == "green")
            more = len(searches.retries) + 20
            eventually("searches go on", lambda: len(searches.retries) > more or searches.failed)
            searches.stop()
        index.close()
        assert searches.failed == []
        assert queue.dead() == []
        assert_consistent(url)
    with capsys.disabled():
        print(f"\n{len(searches.retries)} searches, {max(searches.retries)} retries at most")  # noqa: T201


def fill_more(cloud):
    for number in range(IMAGES):
        cloud.put(f"later/{number}.png", b"later image %d" % number)
