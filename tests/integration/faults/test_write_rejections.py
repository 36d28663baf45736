"""Claims: while a cluster blocks writes no image is lost; the queue keeps the messages."""

from contextlib import closing, contextmanager

import pytest

from imagesearch.adapters.opensearch.client import OpenSearchClient
from tests.support.images.fault_images import change, fill
from tests.support.servers.opensearch_proxy import opensearch_proxy

IMAGES = 40
CHANGED = 10
OFTEN = "cluster.info.update.interval"


@pytest.fixture
def full(cloud, subscribe, running_functions, opensearch_url, eventually):
    """A bucket with a consistent index; the queue receives subsequent changes."""
    queue = subscribe()
    fill(cloud, IMAGES)
    with running_functions(queue, opensearch_url):
        eventually("the bucket is indexed", queue.is_empty)
    return queue


@pytest.fixture
def server(opensearch_url):
    with closing(OpenSearchClient(opensearch_url)) as client:
        yield client.raw


@pytest.fixture
def blocked(server, index_name):
    """Sets an index block on the index of the test, as the server does, within the context."""

    def put(setting, value):
        server.indices.put_settings(index=index_name, body={f"index.blocks.{setting}": value})

    @contextmanager
    def block(setting):
        # If disks have space, the server removes its flood-stage block at the next check.
        server.cluster.put_settings(body={"transient": {OFTEN: "1h"}})
        put(setting, True)
        try:
            yield
        finally:
            put(setting, None)
            server.cluster.put_settings(body={"transient": {OFTEN: None}})

    return block


@pytest.mark.parametrize("setting", ["read_only_allow_delete", "write"])
def test_no_change_is_lost_while_the_index_is_read_only(
    cloud, full, running_functions, opensearch_url, blocked, eventually, assert_consistent, setting
):
    """Covers the blocks of the flood-stage watermark and of OpenSearch Service at low storage."""
    with running_functions(full, opensearch_url) as service:
        with blocked(setting):
            messages = change(cloud, CHANGED)
            eventually("every change came back", lambda: len(service.returned) == messages)
        eventually("the queue is empty", full.is_empty)
    assert full.dead() == []
    assert_consistent(opensearch_url)


def reject_everything(proxy):
    return lambda sent: (429, {"error": {"type": "rejected_execution_exception"}})


def reject_all_but_one_item(proxy):
    """Writes one item of a bulk and rejects the others with status 429."""

    def fault(sent):
        if not sent.is_bulk:
            return None
        lines = sent.body.splitlines(keepends=True)
        status, found = proxy.pass_on(sent._replace(body=b"".join(lines[:2])))
        error = {"type": "rejected_execution_exception", "reason": "queue full"}
        found["items"] += [{"index": {"status": 429, "error": error}}] * (len(lines) // 2 - 1)
        return status, found

    return fault


@pytest.mark.parametrize("reject", [reject_everything, reject_all_but_one_item])
def test_no_change_is_lost_while_the_cluster_is_overloaded(
    cloud, full, running_functions, opensearch_url, eventually, assert_consistent, reject
):
    change(cloud, CHANGED)
    with opensearch_proxy(opensearch_url) as proxy, running_functions(full, proxy.url) as service:
        proxy.fault = reject(proxy)
        eventually("changes came back", lambda: len(service.returned) > 2)
        proxy.fault = lambda sent: None
        eventually("the queue is empty", full.is_empty)
    assert full.dead() == []
    assert_consistent(opensearch_url)
