"""Queries to which no photo of the samples is an answer: noise, documents, abstractions, code, and
words in other languages for things that the samples do not show.

Those of the set `choosing` were looked at while the method of relevance was chosen; those of
`reporting` were written afterwards, and are reported on alone.
"""

from __future__ import annotations

import csv
from pathlib import Path

QUERIES_FILE = Path(__file__).with_name("unanswerable-queries.tsv")
CHOOSING, REPORTING = "choosing", "reporting"


def unanswerable_queries(which: str, path: Path = QUERIES_FILE) -> list[str]:
    """Those of one set."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row["text"] for row in rows if row["set"] == which]
