"""What became of the images: counted, and told in a line."""

from collections import Counter
from collections.abc import Iterable

from imagesearch.adapters.folder_store import Hidden
from imagesearch.planning import Outcome, OutcomeKind


class Report:
    """Counts outcomes and keeps those that a person should see."""

    def __init__(self) -> None:
        self.counts: Counter[OutcomeKind] = Counter()
        self.rejected: list[Outcome] = []
        self.failed: list[Outcome] = []
        self.passed_over: list[tuple[str, str]] = []
        self.kept: Counter[Hidden] = Counter()
        self._rejected_before = 0

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.kind] += 1
        if outcome.kind is OutcomeKind.FAILED:
            self.failed.append(outcome)
        elif outcome.reason:
            # An image that was rejected before and has not changed is still rejected.
            self.rejected.append(outcome)
            self._rejected_before += outcome.kind is not OutcomeKind.REJECTED

    def pass_over(self, path: str, reason: str) -> None:
        """A file or folder that can have no key, so that nothing else tells of it."""
        self.passed_over.append((path, reason))

    def keep(self, hidden: Iterable[Hidden]) -> None:
        """Records of files that cannot be seen: one reason for each."""
        self.kept.update(hidden)

    @property
    def searchable(self) -> int:
        """How many images the index holds that a search can find."""
        held = (OutcomeKind.INDEXED, OutcomeKind.UPDATED, OutcomeKind.UNCHANGED)
        return sum(self.counts[kind] for kind in held) - self._rejected_before

    @property
    def complete(self) -> bool:
        """Whether every image that was met is searchable now."""
        return not (self.rejected or self.failed or self.passed_over or self.kept)

    @property
    def summary(self) -> str:
        """Such as `80 indexed, 4 unchanged, 1 rejected`."""
        told = [_counted(kind, self.counts[kind]) for kind in OutcomeKind if self.counts[kind]]
        if self.passed_over:
            told.append(f"{len(self.passed_over):,} passed over")
        if self.kept:
            told.append(f"{self.kept.total():,} kept")
        return ", ".join(told) or "no images"

    def lines(self) -> list[str]:
        """One line for each image that is not searchable, with the reason."""
        return [*_lines("rejected", self.rejected), *self.troubles()]

    def troubles(self) -> list[str]:
        """The lines of what the decoder has not seen."""
        return [
            *_lines("failed", self.failed),
            *(f"passed over {printable(path)}: {reason}" for path, reason in self.passed_over),
            *(_kept(hidden, count) for hidden, count in self.kept.items()),
        ]


def _lines(word: str, outcomes: Iterable[Outcome]) -> list[str]:
    return [printable(f"{word} {outcome.ref.key}: {outcome.reason}") for outcome in outcomes]


def _kept(hidden: Hidden, count: int) -> str:
    """Such as `kept 27 records below animals: Permission denied; --forget-missing deletes them`."""
    records, them = ("1 record", "it") if count == 1 else (f"{count:,} records", "them")
    below = f" below {printable(hidden.where)}" if hidden.where else ""
    return f"kept {records}{below}: {hidden.reason}; --forget-missing deletes {them}"


def _counted(kind: OutcomeKind, count: int) -> str:
    if kind is OutcomeKind.SKIPPED:
        return "1 is no image" if count == 1 else f"{count:,} are no images"
    return f"{count:,} {kind.value}"


def printable(key: str) -> str:
    """A key as one line of text: a file's name may hold what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in key)
