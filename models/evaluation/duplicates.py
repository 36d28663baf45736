"""Fits the weights of duplicate detection, and measures its recall and precision.

python -m models.evaluation.duplicates layers/starter_model/starter_model samples

The weights are fitted on one half of the photos and their edited copies, and measured on the other
half and on synthetic document pages.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagesearch.calibration.duplicate_weights import (
    Fingerprints,
    compared,
    evidence_of_pair,
    fit_weights,
    fitted_columns,
)
from imagesearch.calibration.logistic_regression import Doubles
from imagesearch.domain.images import DetailOptions, EncodedImage
from imagesearch.duplicates.miniatures import Miniature
from imagesearch.duplicates.page_agreement import Detail, agreement_logit
from imagesearch.duplicates.similarity import Fingerprint
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.self_test.edits import EDITS, Edit
from models import Floats
from models.evaluation.document_pages import document_pages
from models.evaluation.page_copies import PAGE_COPIES
from models.evaluation.samples import read_samples

# Edited copies are usually of web size, not of camera size.
LONGEST_SIDE = 1024
BATCH = 16
THRESHOLD = 0.95
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Encoded(Fingerprints):
    """Fingerprints; document pages also have details."""

    details: list[Detail | None]


@dataclass(frozen=True)
class Evidence:
    """The features of each pair of copies [N] of one kind and images [M].

    `features` [N, M, 3] are cosine, hash similarity and overlap; `details` are those of the copies
    and of the images.
    """

    kind: str
    features: Floats
    details: tuple[Sequence[Detail | None], Sequence[Detail | None]] = ((), ())

    def differ(self, row: int, column: int, logit: float) -> bool:
        """True for two pages whose details differ, at these log-odds."""
        copies, pictures = self.details
        one, other = (copies[row], pictures[column]) if copies and pictures else (None, None)
        return agreement_logit(one, other) < logit


def evidence(
    encoder: OnnxImageEncoder, pictures: Sequence[Image.Image], edits: Mapping[str, Edit]
) -> Iterator[Evidence]:
    """Each kind of copy against all images; the first are the images against each other."""
    originals = _encoded(encoder, pictures, lambda picture: picture)
    details = originals.details
    yield Evidence("", _features(originals, originals), (details, details))
    for kind, edit in edits.items():
        copies = _encoded(encoder, pictures, edit)
        yield Evidence(kind, _features(copies, originals), (copies.details, details))


def _encoded(encoder: OnnxImageEncoder, photos: Sequence[Image.Image], edit: Edit) -> Encoded:
    images: list[EncodedImage] = []
    for start in range(0, len(photos), BATCH):
        files = [_file(edit(photo)) for photo in photos[start : start + BATCH]]
        for image in encoder.encode_images(files, DetailOptions()):
            assert isinstance(image, EncodedImage), image
            images.append(image)
    details = [image.details for image in images if image.details]
    return Encoded(
        np.stack([image.embedding for image in images]),
        [each.phash for each in details],
        [Miniature.of(each.miniature) for each in details],
        [Fingerprint(each.phash, each.miniature, each.contrasts).detail for each in details],
    )


def _file(picture: Image.Image) -> bytes:
    small, file = picture.copy(), io.BytesIO()
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    small.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _features(copies: Encoded, photos: Encoded) -> Floats:
    cosines = copies.embeddings @ photos.embeddings.T
    features = np.stack([cosines, np.zeros_like(cosines), np.zeros_like(cosines)], axis=-1)
    for row in range(len(cosines)):
        for column in compared(cosines[row]):
            features[row, column, 1:] = evidence_of_pair(copies, row, photos, column)
    return features.astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(prog="models.evaluation.duplicates", description=__doc__)
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("samples", type=Path, help="folder of photos")
    options = parser.parse_args()
    pages = list(document_pages())
    encoder = OnnxImageEncoder(options.model, load_manifest(options.model))
    try:
        photos = list(evidence(encoder, read_samples(options.samples).pictures, EDITS))
        drawn = list(evidence(encoder, [page.picture for page in pages], PAGE_COPIES))
    finally:
        encoder.close()
    weights = fit(photos)
    names = ("cosine", "hash", "overlap", "bias")
    print(dict(zip(names, np.round(weights, 2).tolist(), strict=True)))
    even = np.arange(len(photos[0].features)) % 2 == 0
    seen = np.array([page.seen for page in pages])
    for title, found, rows in (
        ("Photos not used for fitting", photos, ~even),
        ("Photos used for fitting", photos, even),
        ("Pages of kinds used for the limits", drawn, seen),
        ("Pages of other kinds", drawn, ~seen),
    ):
        print(f"\n{title}: {rows.sum()} of {len(rows)}\n", *table(found, weights, rows), sep="\n")


def fit(found: Sequence[Evidence]) -> Doubles:
    """Fit on the photos with even numbers: their copies, and the nearest other photos of each."""
    features, same = [], []
    for each in found:
        for row in range(0, len(each.features), 2):
            chosen = fitted_columns(each.features[row, :, 0], row, is_copy=bool(each.kind))
            features.append(each.features[row, chosen])
            same.append(np.array(chosen) == row)
    return fit_weights(np.concatenate(features), np.concatenate(same))


def table(found: Sequence[Evidence], weights: Doubles, rows: Flags) -> list[str]:
    """Recall and precision of each kind in percent, for the images in these rows."""
    lines = [
        "| copies | recall, % | precision, % | false positives |",
        "| --- | --- | --- | --- |",
    ]
    rights = wrongs = 0
    for each in found:
        right, wrong = _counts(each, weights, rows)
        if each.kind:
            lines.append(f"| {each.kind} | {_figures(right, wrong, int(rows.sum()))} |")
            rights, wrongs = rights + right, wrongs + wrong
        else:
            lines.append(f"| none: the images themselves | – | – | {wrong} |")
    copies = int(rows.sum()) * sum(bool(each.kind) for each in found)
    return [*lines, f"| all copies | {_figures(rights, wrongs, copies)} |"]


def _figures(right: int, wrong: int, copies: int) -> str:
    precision = 100 * right / max(1, right + wrong)
    return f"{100 * right / copies:.0f} | {precision:.0f} | {wrong}"


def _counts(found: Evidence, weights: Doubles, rows: Flags) -> tuple[int, int]:
    """Numbers of true and false positives among the copies in these rows."""
    logit = float(np.log(THRESHOLD / (1 - THRESHOLD)))
    alike = found.features @ weights[:-1] + weights[-1] >= logit
    pairs = [
        (row, column)
        for row, column in np.argwhere(alike & rows[:, None])
        if (found.kind or row != column) and not found.differ(row, column, logit)
    ]
    right = sum(row == column for row, column in pairs)
    return right, len(pairs) - right


if __name__ == "__main__":
    main()
