"""Warm-up: with one text and one image, the graphs are loaded and a decoder process runs.

A snapshot of Lambda holds memory and processes, so the first request after a restore finds both.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagesearch.domain.ports import ImageEncoder, TextEncoder

_IMAGE = Path(__file__).with_name("warm_up.jpg")


def warm_up(images: ImageEncoder, texts: TextEncoder | None = None) -> None:
    """Embed an image and a text; the graphs are loaded at the same time.

    Raises the errors of loading, such as ConfigurationError.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="warm-up") as thread:
        embedded = thread.submit(images.encode_images, [_IMAGE.read_bytes()])
        if texts:
            texts.encode_texts(["a photo"])
        embedded.result()
