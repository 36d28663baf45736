"""Load on `imagesearch serve`: text searches among 20,000 images by 8 clients, then by 40.

The server is the real command in a process of its own; the clients share its cores. Each client
sends its next search when the last one is answered, and waits after a 503 as long as Retry-After
says. Vectors are random, records synthetic, files small, and no text is searched for twice.

LOAD_SECONDS is the duration of a step, 60 by default.
"""

import http.client
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import numpy as np
import psutil

from benchmarks.report import Row
from benchmarks.served_index import indexed_folder, served

IMAGES = 20_000
CLIENTS = (8, 40)
WARM_UP_SEARCHES = 50
SAMPLE_SECONDS = 1.0
# A connection that is silent this long is an error: the benchmark never hangs.
TIMEOUT_SECONDS = 60.0
TITLE = f"load on `imagesearch serve`, {IMAGES:,} images"
_number = count()


@dataclass
class Client:
    """Sends searches one after another over one connection, and measures them."""

    address: str
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def search_while(self, wanted: Callable[[], object]) -> None:
        with closing(http.client.HTTPConnection(self.address, timeout=TIMEOUT_SECONDS)) as http_:
            while wanted():
                self._search(http_)

    def _search(self, connection: http.client.HTTPConnection) -> None:
        text = quote(f"a dog on a beach, number {next(_number)}")
        started = time.perf_counter()
        try:
            connection.request("GET", f"/v1/search?q={text}")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.errors[type(error).__name__] += 1
            return
        if response.status != 200:
            self.errors[str(response.status)] += 1
            time.sleep(float(response.headers.get("Retry-After", 0)))
        elif not json.loads(body)["hits"]:
            self.errors["no hits"] += 1
        else:
            self.seconds.append(time.perf_counter() - started)


def measure(images: int = IMAGES) -> Iterator[Row]:
    """Three rows for each number of clients."""
    seconds = float(os.environ.get("LOAD_SECONDS", "60"))
    with TemporaryDirectory(prefix="imagesearch-load-") as temporary:
        workspace = indexed_folder(Path(temporary), images)
        with served(workspace) as (address, process):
            Client(address).search_while(iter([True] * WARM_UP_SEARCHES + [False]).__next__)
            for clients in CLIENTS:
                yield from _step([Client(address) for _ in range(clients)], process, seconds)


def _step(clients: list[Client], process: psutil.Process, seconds: float) -> Iterator[Row]:
    """Search with these clients for so many seconds."""
    memory: list[float] = []
    started, cpu = time.monotonic(), _cpu_seconds(process)
    until = started + seconds
    with ThreadPoolExecutor(len(clients)) as threads:
        running = [
            threads.submit(each.search_while, lambda: time.monotonic() < until) for each in clients
        ]
        while wait(running, SAMPLE_SECONDS).not_done:
            memory.append(process.memory_info().rss / 2**20)
    taken, cpu = time.monotonic() - started, _cpu_seconds(process) - cpu
    for each in running:
        each.result()
    found = [second for each in clients for second in each.seconds]
    p50, p99 = np.percentile(np.asarray(found or [np.nan]) * 1000, [50, 99])
    errors = sum((each.errors for each in clients), Counter[str]())
    label = f"{len(clients)} clients"
    yield Row(
        f"{label}: text searches",
        f"{len(found) / taken:.0f}/s",
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms; {cpu * 1000 / max(len(found), 1):.1f} ms of CPU each",
    )
    by_status = ", ".join(f"{name}: {number:,}" for name, number in sorted(errors.items()))
    yield Row(f"{label}: errors", f"{errors.total():,}", by_status)
    tenths = [f"{part[-1]:.0f}" for part in np.array_split(memory, min(10, len(memory)))]
    yield Row(f"{label}: memory", f"{max(memory):.0f} MB", f"each tenth: {' '.join(tenths)} MB")


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
