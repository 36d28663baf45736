"""What became of the images: counted, and told in a line."""

from collections import Counter

from imagesearch.planning import Outcome, OutcomeKind


class Report:
    """Counts outcomes and keeps those that a person should see."""

    def __init__(self) -> None:
        self.counts: Counter[OutcomeKind] = Counter()
        self.rejected: list[Outcome] = []
        self.failed: list[Outcome] = []
        self.passed_over: list[tuple[str, str]] = []
        self._rejected_before = 0
        self._reused = 0

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.kind] += 1
        self._reused += outcome.reused
        if outcome.kind is OutcomeKind.FAILED:
            self.failed.append(outcome)
        elif outcome.reason:
            # An image that was rejected before and has not changed is still rejected.
            self.rejected.append(outcome)
            self._rejected_before += outcome.kind is not OutcomeKind.REJECTED

    def pass_over(self, path: str, reason: str) -> None:
        """A file or folder that can have no key, so that nothing else tells of it."""
        self.passed_over.append((path, reason))

    @property
    def searchable(self) -> int:
        """How many images the index holds that a search can find."""
        held = (OutcomeKind.INDEXED, OutcomeKind.UPDATED, OutcomeKind.UNCHANGED)
        return sum(self.counts[kind] for kind in held) - self._rejected_before

    @property
    def complete(self) -> bool:
        """Whether every image that was met is searchable now."""
        return not (self.rejected or self.failed or self.passed_over)

    @property
    def summary(self) -> str:
        """Such as `80 indexed (27 with known content), 4 unchanged, 1 rejected`."""
        told = [self._counted(kind) for kind in OutcomeKind if self.counts[kind]]
        if self.passed_over:
            told.append(f"{len(self.passed_over):,} passed over")
        return ", ".join(told) or "no images"

    def _counted(self, kind: OutcomeKind) -> str:
        count = self.counts[kind]
        if kind is OutcomeKind.SKIPPED:
            return "1 is no image" if count == 1 else f"{count:,} are no images"
        known = kind is OutcomeKind.INDEXED and self._reused
        return f"{count:,} {kind.value}" + (
            f" ({self._reused:,} with known content)" if known else ""
        )

    def lines(self) -> list[str]:
        """One line for each image that is not searchable, with the reason."""
        return [
            f"{word} {printable(outcome.ref.key)}: {outcome.reason}"
            for word, outcomes in (("rejected", self.rejected), ("failed", self.failed))
            for outcome in outcomes
        ] + [f"passed over {printable(path)}: {reason}" for path, reason in self.passed_over]


def printable(key: str) -> str:
    """A key as one line of text: a file's name may hold what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in key)
