"""Small requests that are costly to answer, generated, sent one after another to a real server.

Of each request the CPU time of the server and of its decoder processes is measured, and the growth
of their memory.

COSTLY_REQUESTS sets their number, of which each kind has the same share, COSTLY_SEED the requests,
COSTLY_SAVE a folder in which the bytes of those over a limit are stored.
"""

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from benchmarks.hostile import api_requests, http_requests
from benchmarks.hostile.costly_request import MAX_BYTES, CostlyRequest, Targets
from benchmarks.report import Row
from benchmarks.served_index import indexed_folder, served
from benchmarks.workbench import STARTER_MODEL
from imagesearch.domain.images import Document, ImageRef
from local.lambda_runtime import settings_of
from local.workspace import Workspace

IMAGES, REQUESTS, SEED = 20_000, 3_000, 1
LIMIT_SECONDS, LIMIT_BYTES = 2.0, 300 * 10**6
TITLE = f"costly requests of up to {MAX_BYTES:,} bytes, {IMAGES:,} images"
# The kinds of requests, of which each has the same share.
KINDS: Sequence[Callable[[Targets], SearchStrategy[CostlyRequest]]] = (
    api_requests.searches,
    api_requests.batches,
    api_requests.lists,
    api_requests.classifications,
    api_requests.label_sets,
    http_requests.raw_json,
    http_requests.headers,
    http_requests.forms,
    http_requests.queries,
    http_requests.paths,
    http_requests.chunks,
    api_requests.pictures,
)
# The costliest requests of a report.
WORST = 5
IDS = 50
# A server without a response that has not worked for so long waits for the rest of a request.
IDLE_SECONDS, IDLE_CPU_SECONDS = 1.0, 0.02
# Plain searches.
WARM_UP, MEASURED = 5, 10
PLAIN = "GET /v1/search?q={} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Cost:
    """CPU seconds, growth of memory in bytes, and the first line of the response."""

    seconds: float
    memory: int
    status: str


@dataclass
class Report:
    """The costs of all requests; `plain_seconds` is the CPU time of an ordinary search."""

    plain_seconds: float = 0.0
    costs: list[tuple[CostlyRequest, Cost]] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[str]:
        return Counter(cost.status for _, cost in self.costs)

    def slowest(self) -> Sequence[tuple[CostlyRequest, Cost]]:
        return sorted(self.costs, key=lambda each: -each[1].seconds)

    def largest(self) -> Sequence[tuple[CostlyRequest, Cost]]:
        return sorted(self.costs, key=lambda each: -each[1].memory)


class MeasuredServer:
    """A server and its child processes, one request at a time."""

    def __init__(self, address: str, process: psutil.Process) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._process = process

    def cost(self, data: bytes) -> Cost:
        """Send these bytes, and measure until the response has ended."""
        seconds, memory = self._cpu_seconds(), self._reset_peaks()
        status = self._status(data)
        peaks = self._peaks()
        growth = sum(max(0, peak - memory.get(pid, 0)) for pid, peak in peaks.items())
        return Cost(self._cpu_seconds() - seconds, growth, status)

    def _status(self, data: bytes) -> str:
        """The status of the response; "none" if the server waits for the rest of the request."""
        answer = b""
        with socket.create_connection(self._address, IDLE_SECONDS) as connection:
            # A server may refuse a request before it has read all of it.
            with suppress(OSError):
                connection.sendall(data)
            busy = self._cpu_seconds()
            with suppress(ConnectionError):
                while True:
                    try:
                        if not (block := connection.recv(1 << 16)):
                            break
                        answer += block
                    except TimeoutError:
                        before, busy = busy, self._cpu_seconds()
                        if busy - before < IDLE_CPU_SECONDS:
                            break
        return answer.split(b" ")[1].decode() if answer.startswith(b"HTTP/") else "none"

    def _processes(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _cpu_seconds(self) -> float:
        """Of the server, its children, and those that have ended."""
        total = sum(self._process.cpu_times()[:4])
        for child in self._process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                total += sum(child.cpu_times()[:2])
        return float(total)

    def _reset_peaks(self) -> dict[int, int]:
        """Resident bytes by process; peaks count from here on."""
        for process in self._processes():
            with suppress(OSError):
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")
        return self._peaks()

    def _peaks(self) -> dict[int, int]:
        """The highest resident bytes of each process; see proc_pid_status(5)."""
        peaks = {}
        for process in self._processes():
            with suppress(OSError):
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                [peak] = [line for line in lines if line.startswith("VmHWM:")]
                peaks[process.pid] = int(peak.split()[1]) * 1024
        return peaks


def measure() -> Iterator[Row]:
    number = int(os.environ.get("COSTLY_REQUESTS", REQUESTS))
    report = run(IMAGES, number, int(os.environ.get("COSTLY_SEED", SEED)))
    statuses = ", ".join(
        f"{status}: {count:,}" for status, count in sorted(report.statuses.items())
    )
    yield Row("requests", f"{len(report.costs):,}", statuses)
    yield Row("a plain search", f"{report.plain_seconds * 1000:.0f} ms of CPU")
    for request, cost in report.slowest()[:WORST]:
        yield Row("most CPU time", f"{cost.seconds:.2f} s", f"{cost.status}: {request}")
    for request, cost in report.largest()[:WORST]:
        yield Row("most memory", f"{cost.memory / 1e6:,.0f} MB", f"{cost.status}: {request}")


def run(images: int, number: int, seed_: int) -> Report:
    """Send so many generated requests to a server over an index of so many images."""
    with TemporaryDirectory(prefix="imagesearch-costly-") as temporary:
        workspace = indexed_folder(Path(temporary), images, _metadata)
        with served(workspace, "--allow-uploads") as (address, process):
            server = MeasuredServer(address, process)
            report = Report(_plain_seconds(server))
            _send(server, _targets(workspace, images), report, number, seed_)
    return report


def _send(
    server: MeasuredServer, targets: Targets, report: Report, number: int, seed_: int
) -> None:
    """Send the same number of requests of each kind."""
    folder = os.environ.get("COSTLY_SAVE")

    def send(request: CostlyRequest) -> None:
        cost = server.cost(request.data)
        report.costs.append((request, cost))
        if folder and (cost.seconds > LIMIT_SECONDS or cost.memory > LIMIT_BYTES):
            name = f"{cost.seconds:.2f}s-{cost.memory // 10**6}MB-{len(report.costs)}"
            (Path(folder) / name).write_bytes(request.data)

    for kind in KINDS:
        _generate(kind(targets), ceil(number / len(KINDS)), seed_, send)


def _generate(
    strategy: SearchStrategy[CostlyRequest],
    number: int,
    seed_: int,
    send: Callable[[CostlyRequest], None],
) -> None:
    @seed(seed_)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(request: CostlyRequest) -> None:
        send(request)

    each()


def _plain_seconds(server: MeasuredServer) -> float:
    """The CPU time of an ordinary search; the first ones load the model and the vectors."""
    for number in range(WARM_UP):
        server.cost(_plain(number))
    costs = [server.cost(_plain(WARM_UP + number)).seconds for number in range(MEASURED)]
    return sum(costs) / len(costs)


def _plain(number: int) -> bytes:
    return PLAIN.format(f"dog+{number}").encode()


def _metadata(made: Document, number: int) -> Mapping[str, str]:
    title = f"{made.sha256} at the sea, number {number}"
    return {**made.exif, "label": f"topic {number % 50}", "title": title, f"own{number}": "x"}


def _targets(workspace: Workspace, images: int) -> Targets:
    keys = [f"{number:08}.webp" for number in range(min(images, IDS))]
    bucket = settings_of(workspace, STARTER_MODEL).bucket
    ids = [ImageRef(bucket, key).id for key in keys]
    return Targets(ids, ("camera", "label", "title", "own7"), keys)
