"""Decoder process that crashes, hangs or sends invalid data on request; see test_pool.py."""

import ctypes
import os
import sys
from pathlib import Path

import numpy as np

from imagesearch.domain.errors import UnreadableImage
from imagesearch.embedding.decoding.preprocessing import Picture
from imagesearch.embedding.decoding.workers.worker import serve


def grow(_):
    hoard = []
    while True:
        hoard.append(bytearray(50 * 2**20))


def loop(started):
    if started:
        Path(started).touch()
    while True:
        pass


def die_the_first_time(seen):
    if not Path(seen).exists():
        Path(seen).touch()
        os._exit(9)


def chatter(_):
    sys.stdout.write("noise")
    sys.stdout.flush()
    os.write(1, b"native noise")
    sys.stdin.read()


def reject(_):
    raise UnreadableImage("refused", "another hint", "another_code")


ORDERS = {
    "abort": lambda _: os.abort(),
    "segfault": lambda _: ctypes.string_at(0),
    "grow": grow,
    "loop": loop,
    "once": die_the_first_time,
    "print": chatter,
    "reject": reject,
}


def decode(data, wanted, before_pixels, details):
    order, _, argument = data.decode().partition(" ")
    before_pixels(int(argument) if order == "large" else 0)
    ORDERS.get(order, str)(argument)
    pixels = np.full((3, 2, 2), os.getpid(), np.float32)
    return Picture(pixels, 1, 1, f"{order} {sorted(os.environ)}")


if __name__ == "__main__":
    serve(decode, "hostile-1")
