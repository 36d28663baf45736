"""Stored opinions of users with a word of their own for each group of images, without a model."""

import json
from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np

from imagesearch.calibration.evidence import PARTNER_EDIT, CalibrationVectors, Edited
from imagesearch.domain.storage_keys import feedback_key
from imagesearch.embedding.manifest import Manifest
from imagesearch.feedback import pseudonym

GROUPS, EACH, PHRASES = 4, 6, 6


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def feedback_objects(
    manifest: Manifest, user: str, day: date, phrases: Sequence[int] = range(PHRASES)
) -> Iterator[tuple[str, bytes]]:
    """Keys and records of opinions: three images of each of these queries, four groups."""
    draw = np.random.default_rng(5)
    size = manifest.dimension
    centers, words = unit(draw.normal(size=(2, GROUPS, size)))
    images = unit(np.repeat(centers, EACH, 0) + 0.02 * draw.normal(size=(GROUPS * EACH, size)))
    queries = unit(np.repeat(words, PHRASES, 0) + 0.03 * draw.normal(size=(GROUPS * PHRASES, size)))
    for row in range(GROUPS * PHRASES):
        group = row // PHRASES
        if row % PHRASES not in phrases:
            continue
        for image in (group * EACH, group * EACH + 1 + row % 5, (group * EACH + 8) % len(images)):
            record = {
                "time": f"{day.isoformat()}T00:00:{row % 60:02}+00:00",
                "model": manifest.name,
                "image_space": manifest.image_space,
                "query": "text",
                "query_embedding": [round(float(x), 6) for x in queries[row]],
                "image": str(image),
                "image_embedding": [round(float(x), 6) for x in images[image]],
                "relevant": image // EACH == group,
                "user": pseudonym(user),
            }
            yield feedback_key(day, f"{user}-{row}-{image}"), json.dumps(record).encode()


def random_samples(dimension: int) -> CalibrationVectors:
    """Random vectors instead of those of the sample photos, which take a minute to embed."""
    draw = np.random.default_rng(6)
    photos = unit(draw.normal(size=(40, dimension)))
    near = [unit(photos + 0.02 * draw.normal(size=photos.shape)) for _ in range(2)]
    return CalibrationVectors(
        captions=near[0],
        photos=photos,
        edits={PARTNER_EDIT: Edited.every(near[1])},
        unanswerable={},
        labels=photos,
        kinds=np.array([f"kind {number % 20}" for number in range(40)]),
    )
