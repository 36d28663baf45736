"""Differences between a bucket and its index, as they are printed and counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from imagesearch.domain.images import ImageRef
from local.terminal.output import printable
from local.terminal.tables import print_json_lines

DAMAGED, KEPT = "damaged", "kept"


@dataclass(frozen=True, slots=True)
class Finding:
    """A key on which bucket and index differ; `kind` is a Difference, "damaged" or "kept"."""

    ref: ImageRef
    kind: str
    reason: str = ""


@dataclass(slots=True)
class Findings:
    """Prints each finding, and counts them by kind; `compared` is the number of keys."""

    bucket: str
    as_json: bool
    compared: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        self.counts[finding.kind] += 1
        ref = finding.ref
        other = {} if ref.bucket == self.bucket else {"bucket": ref.bucket}
        if self.as_json:
            reason = {"reason": finding.reason} if finding.reason else {}
            print_json_lines([{"key": ref.key, "difference": finding.kind, **other, **reason}])
        else:
            key = printable(f"s3://{ref.bucket}/{ref.key}" if other else ref.key)
            reason_text = f" ({printable(finding.reason)})" if finding.reason else ""
            print(f"{finding.kind}\t{key}{reason_text}")  # noqa: T201

    def summary(self) -> str:
        """Such as `120 images: 1 missing, 2 gone`."""
        differences = ", ".join(f"{number:,} {kind}" for kind, number in self.counts.items())
        return f"{self.compared:,} images: {differences or 'no difference'}"
