"""Use case: read the stored opinions of one model, tune its query adapter and record the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from imagesearch.calibration.evidence import CalibrationVectors
from imagesearch.calibration.relevance_fit import Backgrounds
from imagesearch.domain.ports import DerivedStore
from imagesearch.feedback import stored_feedback
from imagesearch.learning.adapters import AdapterStore
from imagesearch.learning.history import History
from imagesearch.learning.opinions import Opinion, read_opinions
from imagesearch.learning.tuning import Tuned, tune
from imagesearch.search.relevance import Modality


@dataclass(frozen=True)
class Tuner:
    """Tunes one model on the feedback in a derived store.

    vectors: embeds the calibration set, with its edits for image queries if asked.
    """

    store: DerivedStore
    adapters: AdapterStore
    vectors: Callable[[bool], CalibrationVectors]
    backgrounds: Callable[[], Backgrounds]

    def opinions(self) -> list[Opinion]:
        """The stored opinions on queries of this model, the oldest first. Raises Unavailable."""
        return self.opinions_in(stored_lines(self.store))

    def opinions_in(self, lines: Iterable[str]) -> list[Opinion]:
        """The opinions among feedback records, the oldest first."""
        space = self.adapters.space
        return read_opinions(lines, space.model, space.image_space, space.dimension)

    def run(self, read: Callable[[], list[Opinion]], now: datetime | None = None) -> Tuned:
        """Fit an adapter and use it if it proves better; recorded in the history either way.

        `read` returns the opinions; without any, nothing is done. Raises Unavailable,
        ConfigurationError.
        """
        since = self.adapters.pointer()
        opinions = read()
        if not opinions:
            return Tuned([], None)
        now = now or datetime.now(UTC)
        image_queries = any(each.modality is Modality.IMAGE for each in opinions)
        backgrounds = self.backgrounds()
        vectors = self.vectors(image_queries)
        tuned = tune(opinions, vectors, backgrounds, self.adapters, now, since)
        History(self.store, self.adapters.space).add(tuned, now)
        return tuned


def stored_lines(store: DerivedStore) -> Iterator[str]:
    """The feedback records in a derived store, by day. Raises Unavailable."""
    for data in stored_feedback(store):
        yield data.decode(errors="replace")
