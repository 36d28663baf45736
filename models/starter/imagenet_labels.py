"""The 1,000 ImageNet labels as sentences, in the order of ILSVRC 2012 and of the classifier.

Names and definitions are from WordNet (Princeton University, WordNet license: see NOTICE in the
model's folder).
"""

from __future__ import annotations

import csv
from pathlib import Path

LABELS_FILE = Path(__file__).with_name("imagenet-labels.tsv")


def label_sentences(path: Path = LABELS_FILE) -> list[str]:
    """One "a photo of a LABEL: DEFINITION" per label; LABEL has all names of the synset."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [f"a photo of a {row['names']}: {row['definition']}" for row in rows]
