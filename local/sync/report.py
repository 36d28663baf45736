"""The report of a run on a folder: the outcomes of its images, and what a user must see."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from imagesearch.adapters.filesystem.image_store import Unavailability
from imagesearch.adapters.filesystem.walk import ExcludedEntry
from imagesearch.domain.counts import counted
from imagesearch.indexing.planner import Outcome, OutcomeKind
from local.terminal.output import printable

MAX_KINDS = 8
MAX_SUFFIX = 12
NO_SUFFIX = "without extension"
_COUNTED = (OutcomeKind.INDEXED, OutcomeKind.UPDATED, OutcomeKind.UNCHANGED, OutcomeKind.DELETED)


class Report:
    """Counts the outcomes of a run, and keeps those that a user must see."""

    def __init__(self, verbose: bool = False) -> None:
        """With `verbose`, the name of each skipped file is kept."""
        self._verbose = verbose
        self.clear()

    def clear(self) -> None:
        """Forget all outcomes, before a run that starts again."""
        self.skipped: Counter[str] = Counter()
        self._skipped_names: list[tuple[str, str]] = []
        self.counts: Counter[OutcomeKind] = Counter()
        self.rejected: list[Outcome] = []
        self.failed: list[Outcome] = []
        self.inaccessible: list[tuple[str, str]] = []
        self.kept: Counter[Unavailability] = Counter()
        self._rejected_before = 0
        self._reused = 0

    def add(self, outcome: Outcome) -> None:
        """Count one outcome of the indexer."""
        if outcome.kind is OutcomeKind.SKIPPED:
            self._skip(outcome.ref.key, outcome.reason or "not an image")
            return
        self.counts[outcome.kind] += 1
        self._reused += outcome.reused
        if outcome.kind is OutcomeKind.FAILED:
            self.failed.append(outcome)
        elif outcome.reason:
            # An unchanged image that was rejected before is still rejected.
            self.rejected.append(outcome)
            self._rejected_before += outcome.kind is not OutcomeKind.REJECTED

    def add_inaccessible(self, path: str, reason: str) -> None:
        """Record a file or folder that cannot have a key, and so has no outcome."""
        self.inaccessible.append((path, reason))

    def add_excluded(self, entry: ExcludedEntry) -> None:
        """Count an excluded file; an excluded folder is named with `verbose`, and not counted."""
        if not entry.is_dir:
            self._skip(entry.path, entry.reason)
        elif self._verbose:
            self._skipped_names.append((f"{entry.path}/", entry.reason))

    def add_kept(self, causes: Iterable[Unavailability]) -> None:
        """Count records kept for files that are unavailable, by the cause."""
        self.kept.update(causes)

    def _skip(self, path: str, reason: str) -> None:
        self.skipped[_kind_of(path)] += 1
        if self._verbose:
            self._skipped_names.append((path, reason))

    @property
    def searchable(self) -> int:
        """Number of images in the index that a search can return."""
        searchable_kinds = (OutcomeKind.INDEXED, OutcomeKind.UPDATED, OutcomeKind.UNCHANGED)
        return sum(self.counts[kind] for kind in searchable_kinds) - self._rejected_before

    @property
    def complete(self) -> bool:
        """True if every image of the folder is searchable now."""
        return not (self.rejected or self.failed or self.inaccessible or self.kept)

    @property
    def summary(self) -> str:
        """Such as `80 indexed (27 with known content), 4 unchanged, 1 rejected`."""
        counted = [self._count_text(kind) for kind in OutcomeKind if self.counts[kind]]
        if self.inaccessible:
            counted.append(f"{len(self.inaccessible):,} skipped with errors")
        if self.kept:
            counted.append(f"{self.kept.total():,} kept")
        return ", ".join(counted) or "no images"

    def _count_text(self, kind: OutcomeKind) -> str:
        known = kind is OutcomeKind.INDEXED and self._reused
        suffix = f" ({self._reused:,} with known content)" if known else ""
        return f"{self.counts[kind]:,} {kind.value}{suffix}"

    @property
    def skipped_summary(self) -> str:
        """Such as `12 files skipped: 8 .mov, 3 .psd, 1 .txt`; empty if none was skipped."""
        if not (count := self.skipped.total()):
            return ""
        kinds = sorted(self.skipped.items(), key=lambda each: (-each[1], each[0]))
        listed = [f"{number:,} {kind}" for kind, number in kinds[:MAX_KINDS]]
        if rest := kinds[MAX_KINDS:]:
            others = sum(number for _, number in rest)
            listed.append(f"{others:,} of {counted(len(rest), 'other kind')}")
        return f"{counted(count, 'file')} skipped: {', '.join(listed)}"

    def lines(self) -> list[str]:
        """A line with the reason for each image that is not searchable, then the skipped files.

        With `verbose`, also a line for each skipped file and folder.
        """
        named = [f"skipped {printable(path)}: {reason}" for path, reason in self._skipped_names]
        skipped = filter(None, [self.skipped_summary])
        return [*_lines("rejected", self.rejected), *self.problems(), *named, *skipped]

    def as_json(self) -> dict[str, Any]:
        """The counts, and the reason for each image that is not searchable."""
        return {
            "complete": self.complete,
            "searchable": self.searchable,
            **{kind.value: self.counts[kind] for kind in OutcomeKind if kind in _COUNTED},
            "known_content": self._reused,
            "rejected": _reasons(self.rejected),
            "failed": _reasons(self.failed),
            "inaccessible": [{"path": path, "reason": why} for path, why in self.inaccessible],
            "kept": [
                {"path": cause.path, "reason": cause.reason, "records": count}
                for cause, count in self.kept.items()
            ],
            "skipped": dict(self.skipped),
        }

    def problems(self) -> list[str]:
        """A line for each file or folder that could not be processed or read."""
        return [
            *_lines("failed", self.failed),
            *(f"skipped {printable(path)}: {reason}" for path, reason in self.inaccessible),
            *(_kept_text(cause, count) for cause, count in self.kept.items()),
        ]


def _reasons(outcomes: Iterable[Outcome]) -> list[dict[str, str]]:
    return [{"key": each.ref.key, "reason": each.reason or ""} for each in outcomes]


def _lines(word: str, outcomes: Iterable[Outcome]) -> list[str]:
    return [printable(f"{word} {outcome.ref.key}: {outcome.reason}") for outcome in outcomes]


def _kept_text(cause: Unavailability, count: int) -> str:
    """Such as `kept 27 records below animals: Permission denied; --forget-missing deletes them`."""
    records, them = ("1 record", "it") if count == 1 else (f"{count:,} records", "them")
    below = f" below {printable(cause.path)}" if cause.path else ""
    return f"kept {records}{below}: {cause.reason}; --forget-missing deletes {them}"


def _kind_of(path: str) -> str:
    """The extension in lower case; a long one, or one with a space, is part of a sentence."""
    suffix = PurePosixPath(path).suffix.lower()
    plain = len(suffix) <= MAX_SUFFIX and suffix.isprintable() and " " not in suffix
    return suffix if suffix and plain else NO_SUFFIX
