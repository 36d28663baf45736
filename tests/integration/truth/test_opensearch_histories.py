"""Claim: histories end equal on a real OpenSearch that is killed, blocked or overloaded."""

import os
import tempfile
import time
import uuid
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from imagesearch.adapters.opensearch.index import OpenSearchIndex
from local.opensearch.server import SHORT_LIVED, OpenSearchServer
from tests.integration.truth.machine import History
from tests.integration.truth.world import World
from tests.support.paths import server_parent
from tests.support.servers.opensearch_proxy import Proxy, opensearch_proxy

HISTORIES = int(os.environ.get("CHAOS_OPENSEARCH_HISTORIES", "0"))
STEPS = 25
KILLS = 5
PATIENCE_SECONDS = 0.3
SETTINGS = settings(
    max_examples=max(1, HISTORIES),
    stateful_step_count=STEPS,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    report_multiple_bugs=False,
)
pytestmark = pytest.mark.skipif(not HISTORIES, reason="takes minutes: see make chaos")


class Refreshed(OpenSearchIndex):
    """An index whose writes are visible at once; its clock is that of the history."""

    def write(self, writes):
        results = super().write(writes)
        self._client.raw.indices.refresh(index=self._name)
        return results

    def block(self, on):
        body = {"index.blocks.read_only_allow_delete": True if on else None}
        with suppress(Exception):  # there is no index before the first write
            self._client.raw.indices.put_settings(index=self._name, body=body)


@pytest.fixture(scope="module")
def server():
    with tempfile.TemporaryDirectory(prefix="imagesearch-truth-", dir=server_parent()) as folder:
        made = OpenSearchServer(Path(folder), java_options=SHORT_LIVED)
        made.start()
        yield made
        made.kill()


class OverOpenSearch(History):
    """A history over `server`, whose requests go through `proxy`; `kills` counts down.

    The server ends with the thread that starts it: `thread` lasts longer than a request.
    """

    server: OpenSearchServer
    proxy: Proxy
    thread: Executor
    kills = KILLS

    def make_world(self):
        self.indexes, self.restarts = [], []
        self._pass_on()
        return World(self._make_index)

    def _make_index(self, model, clock):
        name = f"images-{uuid.uuid4().hex}"
        index = Refreshed(
            self.proxy.url, name, 8, model=model, patience=PATIENCE_SECONDS, clock=clock
        )
        self.indexes.append(index)
        return index

    @rule(kind=st.sampled_from(("429", "503", "half", "lost", "kill", "slow")))
    def break_next_bulk(self, kind):
        """Reject the next bulk, apply half of it, delay it, or lose its response."""

        def fault(sent):
            if not sent.is_bulk:
                return None
            self._pass_on()
            return self._broken(kind, sent)

        self.proxy.fault = fault

    def _broken(self, kind, sent):
        if kind.isdigit():
            return int(kind), {"error": {"type": "rejected_execution_exception"}}
        if kind == "half":
            return half_applied(self.proxy, sent)
        if kind == "slow":
            time.sleep(PATIENCE_SECONDS)
            return None
        self.proxy.pass_on(sent)
        if kind == "kill" and type(self).kills:
            type(self).kills -= 1
            self.server.kill()
            self.restarts.append(self.thread.submit(self.server.start))
        raise ConnectionAbortedError

    @invariant()
    def the_server_runs(self):
        """It is down until the end of the rule that killed it."""
        while self.restarts:
            self.restarts.pop().result()

    @rule(on=st.booleans())
    def block_writes(self, on):
        for index in self.indexes:
            index.block(on)

    def teardown(self):
        self._pass_on()
        for index in self.indexes:
            index.block(False)
        try:
            super().teardown()
        finally:
            for index in self.indexes:
                with suppress(Exception):
                    index.drop()
                index.close()

    def _pass_on(self):
        self.proxy.fault = lambda sent: None


def test_any_history_ends_equal_on_a_real_server(server):
    with opensearch_proxy(server.url) as proxy, ThreadPoolExecutor(1) as thread:
        parts = {"server": server, "proxy": proxy, "thread": thread}
        machine = type("Machine", (OverOpenSearch,), parts)
        run_state_machine_as_test(machine, settings=SETTINGS)


def half_applied(proxy, sent):
    lines = sent.body.splitlines(keepends=True)
    half = len(lines) // 4 * 2
    items = []
    if half:
        _, found = proxy.pass_on(sent._replace(body=b"".join(lines[:half])))
        items = found["items"]
    error = {"type": "rejected_execution_exception", "reason": "queue full"}
    items += [{"index": {"status": 429, "error": error}}] * ((len(lines) - half) // 2)
    return 200, {"items": items}
