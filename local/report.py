"""What became of the images: counted, and told in a line."""

from collections import Counter

from imagesearch.planning import Outcome, OutcomeKind

_WORDS = {OutcomeKind.SKIPPED: "not images"}


class Report:
    """Counts outcomes and keeps those that a person should see."""

    def __init__(self) -> None:
        self.counts: Counter[OutcomeKind] = Counter()
        self.rejected: list[Outcome] = []
        self.failed: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.kind] += 1
        if outcome.kind is OutcomeKind.FAILED:
            self.failed.append(outcome)
        elif outcome.reason:
            # An image that was rejected before and has not changed is still rejected.
            self.rejected.append(outcome)

    @property
    def summary(self) -> str:
        """Such as `80 indexed, 4 unchanged, 1 rejected`."""
        told = [
            f"{self.counts[kind]:,} {_WORDS.get(kind, kind.value)}"
            for kind in OutcomeKind
            if self.counts[kind]
        ]
        return ", ".join(told) or "no images"

    def lines(self) -> list[str]:
        """One line for each image that is not searchable, with the reason."""
        return [
            f"{word} {printable(outcome.ref.key)}: {outcome.reason}"
            for word, outcomes in (("rejected", self.rejected), ("failed", self.failed))
            for outcome in outcomes
        ]


def printable(key: str) -> str:
    """A key as one line of text: a file's name may hold what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in key)
