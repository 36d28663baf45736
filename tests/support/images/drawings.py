"""Generated images with distinguishable content, and their fingerprints."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imagesearch.duplicates.miniatures import Miniature
from imagesearch.duplicates.similarity import Fingerprint
from imagesearch.embedding.decoding.details import miniature
from imagesearch.embedding.decoding.perceptual_hash import perceptual_hash


def drawing(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """Smooth light and dark blobs without a border, determined by the seed."""
    blobs = np.random.default_rng(seed).integers(0, 255, (9, 12), np.uint8)
    return Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC)


def miniature_of(picture: Image.Image) -> Miniature:
    return Miniature.of(miniature(picture))


def fingerprint_of(picture: Image.Image) -> Fingerprint:
    return Fingerprint(perceptual_hash(picture), miniature(picture))
