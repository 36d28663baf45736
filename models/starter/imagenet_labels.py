"""The 1000 labels of ImageNet as sentences, in the classifier's order.

Names and definitions are WordNet's (Princeton University, WordNet license: see NOTICE in the
model's folder); the order is that of ILSVRC 2012.
"""

from __future__ import annotations

import csv
from pathlib import Path

LABELS_FILE = Path(__file__).with_name("imagenet-labels.tsv")


def label_sentences(path: Path = LABELS_FILE) -> list[str]:
    """One "a photo of a LABEL: DEFINITION" each, where LABEL is all names of the synset."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [f"a photo of a {row['names']}: {row['definition']}" for row in rows]
