"""Fits how much each kind of evidence counts on one half of the photos, reports on the other.

python -m models.measure_duplicates layers/starter_model/starter_model samples
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from models.duplicate_evidence import Evidence, evidence
from models.logistic import Doubles, logistic_fit
from models.samples import read_samples

THRESHOLD = 0.95
# So that the photos of the other half stay clear of the threshold as well.
RIDGE = 1e-3
# What is fitted on are the photos that an index would offer, not the easy ones.
NEAREST = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="measure_duplicates", description=__doc__)
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("samples", type=Path, help="the folder of photos")
    asked = parser.parse_args()
    encoder = OnnxImageEncoder(asked.model, load_manifest(asked.model))
    try:
        found = list(evidence(encoder, read_samples(asked.samples).pictures))
    finally:
        encoder.close()
    found_weights = fit(found)
    names = ("cosine", "hash", "overlap", "bias")
    print(dict(zip(names, np.round(found_weights, 2).tolist(), strict=True)), end="\n\n")
    print("\n".join(table(found, found_weights)))


def fit(found: Sequence[Evidence]) -> Doubles:
    """On the photos with even numbers: their copies, and the nearest others of each."""
    features, same = [], []
    for each in found:
        for row in range(0, len(each.features), 2):
            others = [n for n in np.argsort(-each.features[row, :, 0]) if n != row][:NEAREST]
            chosen = others + ([row] if each.kind else [])
            features.append(each.features[row, chosen])
            same.append(np.array(chosen) == row)
    right = np.concatenate(same)
    shares = np.where(right, 0.5 / right.sum(), 0.5 / (~right).sum())
    return logistic_fit(np.concatenate(features), right, shares, RIDGE)


def table(found: Sequence[Evidence], weights: Doubles) -> list[str]:
    """Recall and precision of each kind in percent, from the photos with odd numbers."""
    lines = [
        "| copies | recall, % | precision, % | other photos taken for it |",
        "| --- | --- | --- | --- |",
    ]
    logit = np.log(THRESHOLD / (1 - THRESHOLD))
    for each in found:
        duplicates = (each.features @ weights[:-1] + weights[-1])[1::2] >= logit
        same = np.eye(len(each.features), dtype=bool)[1::2]
        right, wrong = int((duplicates & same).sum()), int((duplicates & ~same).sum())
        if each.kind:
            recall, precision = 100 * right / len(same), 100 * right / max(1, right + wrong)
            lines.append(f"| {each.kind} | {recall:.0f} | {precision:.0f} | {wrong} |")
        else:
            lines.append(f"| none: the photos themselves | – | – | {wrong} |")
    return lines


if __name__ == "__main__":
    main()
