"""Decoder pool: a file that crashes its decoder affects no other file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from imagesearch.domain.errors import ConfigurationError, Unavailable, UnreadableImage
from imagesearch.embedding.decoding.preprocessing import Picture
from imagesearch.embedding.decoding.workers.pool import DecoderPool
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

HOSTILE = (sys.executable, "-P", str(Path(__file__).with_name("hostile_decoder.py")))
MEMORY = 600 * 2**20


@pytest.fixture(scope="module")
def pool_of():
    """Creates pools with a time limit, whose decoder follows the command in the file."""
    with ExitStack() as stack:

        def make(seconds):
            pool = DecoderPool(processes=2, seconds=seconds, memory_bytes=MEMORY, command=HOSTILE)
            stack.callback(pool.close)
            return pool

        yield make


@pytest.fixture(scope="module")
def hostile(pool_of):
    """A pool without an effective time limit."""
    return pool_of(PATIENCE_SECONDS)


def decoded(pool, stretched, *files):
    return list(pool.decode_in_order([file.encode() for file in files], stretched))


def pid(picture):
    return int(picture.pixels[0, 0, 0])


@pytest.mark.parametrize(
    ("order", "code", "message"),
    [
        ("abort", "decoder_crashed", "SIGABRT"),
        ("segfault", "decoder_crashed", "SIGSEGV"),
        ("grow", "decoder_crashed", "status 1"),
    ],
)
def test_a_file_that_crashes_the_decoder_affects_no_other(order, code, message, hostile, stretched):
    fails_alone(hostile, stretched, order, code, message)


def test_a_file_that_hangs_the_decoder_affects_no_other(pool_of, stretched):
    fails_alone(pool_of(5), stretched, "loop", "decoder_timeout", "5 seconds")


def fails_alone(pool, stretched, order, code, message):
    first, culprit, *rest = decoded(pool, stretched, "a", order, "b", "c", "d")
    assert isinstance(culprit, UnreadableImage)
    assert (culprit.code, message in culprit.message) == (code, True)
    assert [picture.content_type[0] for picture in (first, *rest)] == list("abcd")


def test_an_unrelated_death_of_the_decoder_process_rejects_no_image(hostile, stretched, tmp_path):
    (picture,) = decoded(hostile, stretched, f"once {tmp_path / 'seen'}")
    assert isinstance(picture, Picture)


def test_a_decoder_process_killed_while_idle_is_replaced_and_rejects_no_image(hostile, stretched):
    (before,) = decoded(hostile, stretched, "a")
    child = psutil.Process(pid(before))
    child.kill()
    after = decoded(hostile, stretched, "a", "b", "c")
    assert all(isinstance(picture, Picture) for picture in after)
    assert pid(before) not in map(pid, after)


def test_decoder_processes_are_reused(hostile, stretched):
    pictures = decoded(hostile, stretched, *"abcdefghijklmnopqrstuvwxyz")
    assert [picture.content_type[0] for picture in pictures] == list("abcdefghijklmnopqrstuvwxyz")
    assert len(set(map(pid, pictures))) <= 2


def test_a_decoder_that_prints_does_not_disturb_the_protocol(hostile, stretched):
    first, second = decoded(hostile, stretched, "print", "b")
    assert (first.content_type[:5], second.content_type[0]) == ("print", "b")


def test_an_error_is_raised_unchanged_in_the_parent(hostile, stretched):
    (error,) = decoded(hostile, stretched, "reject")
    assert (error.message, error.hint, error.code) == ("refused", "another hint", "another_code")


def test_the_decoder_process_does_not_inherit_secrets_of_the_environment(hostile, stretched):
    (picture,) = decoded(hostile, stretched, "a")
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert "PYTHONPATH" in picture.content_type
    assert "PYTEST_CURRENT_TEST" not in picture.content_type


def test_large_images_are_decoded_in_turn_and_waiting_does_not_count_as_time(stretched):
    seconds = 2
    pool = DecoderPool(processes=2, seconds=seconds, memory_bytes=MEMORY, command=HOSTILE)
    with pool.large_turn:
        waiting = pool.decode_in_order([b"small", b"large 999999999"], stretched)
        assert next(waiting).content_type.startswith("small")
        threading.Event().wait(1.25 * seconds)  # the claim is about elapsed time
    assert isinstance(next(waiting), Picture)
    pool.close()


def test_concurrent_threads_get_their_own_images(hostile, stretched):
    def ask(word):
        return [p.content_type.split()[0] for p in decoded(hostile, stretched, *[word] * 5)]

    words = [f"word{number}" for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(ask, words)) == [[word] * 5 for word in words]


def test_the_pool_is_usable_after_an_abandoned_iteration(hostile, stretched):
    pictures = hostile.decode_in_order([b"a"] * 40, stretched)
    next(pictures)
    pictures.close()
    assert isinstance(decoded(hostile, stretched, "b")[0], Picture)


def test_prefetching_of_files_is_bounded(hostile, stretched):
    taken = []
    pictures = hostile.decode_in_order((taken.append(n) or b"a" for n in range(1_000)), stretched)
    next(pictures)
    assert len(taken) < 20
    pictures.close()


def test_a_closed_pool_leaves_no_process_and_restarts_on_use(hostile, stretched):
    children = {pid(picture) for picture in decoded(hostile, stretched, *"abcdef")}
    hostile.close()
    assert not any(psutil.pid_exists(child) for child in children)
    (again,) = decoded(hostile, stretched, "a")
    assert pid(again) not in children


def test_a_decoder_that_does_not_start_is_an_operator_error(stretched):
    broken = DecoderPool(command=(sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(ConfigurationError, match="status 3"):
        decoded(broken, stretched, "a")
    absent = DecoderPool(command=("/nowhere/python",))
    with pytest.raises(Unavailable, match="/nowhere/python"):
        decoded(absent, stretched, "a")


@pytest.mark.parametrize("busy_with", ["a", "loop"])
def test_a_killed_parent_leaves_no_orphan_process(busy_with, tmp_path, eventually):
    started = tmp_path / "started"
    program = textwrap.dedent(f"""
        import sys, threading
        from imagesearch.embedding.decoding.workers.pool import DecoderPool
        from imagesearch.embedding.decoding.preprocessing import Preprocessing
        pool = DecoderPool(processes=1, seconds=5, command={HOSTILE!r})
        wanted = Preprocessing(2, "pad", "bicubic", (0,) * 3, (1,) * 3, (0,) * 3)
        (first,) = pool.decode_in_order([b"a"], wanted)
        print(int(first.pixels[0, 0, 0]), flush=True)
        list(pool.decode_in_order([b"{busy_with} {started}"], wanted))
        sys.stdin.read()
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with parent:
        child = psutil.Process(int(parent.stdout.readline()))
        if busy_with == "loop":
            eventually("the child is busy", lambda: started.exists() or parent.poll() is not None)
        parent.send_signal(signal.SIGKILL)
    psutil.wait_procs([child], timeout=PATIENCE_SECONDS)
    assert not child.is_running()


def test_the_decoder_reports_its_name(pool):
    assert "pillow-" in pool.decoder
    assert "libheif-" in pool.decoder


NONSENSE = """
import sys
from imagesearch.embedding.decoding.workers import protocol
requests, responses = sys.stdin.buffer, sys.stdout.buffer
protocol.receive(requests)
protocol.send(responses, {"decoder": "nonsense-1"})
while True:
    protocol.receive(requests)
    protocol.send(responses, %s)
"""


@pytest.mark.parametrize(
    "answer",
    [
        *("{}", '{"picture": []}', '{"error": ["a", "b", "c", "d", "e"]}', '{"error": None}'),
        '{"picture": [1, 1, "image/png"], "shape": [3, 9, 9], "taken_at": None, "details": None}',
    ],
)
def test_a_decoder_process_with_invalid_output_is_replaced(answer, stretched):
    pool = DecoderPool(processes=1, command=(sys.executable, "-c", NONSENSE % answer))
    (culprit,) = decoded(pool, stretched, "a")
    assert culprit.code == "decoder_crashed"
    assert not pool._idle
