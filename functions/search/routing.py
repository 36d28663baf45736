"""What the routes are made over: the use cases and ports of one deployment."""

from dataclasses import dataclass, field
from typing import Protocol

from imagesearch.bucket_ports import DerivedStore
from imagesearch.classification.classifier import Classifier
from imagesearch.classification.label_sets import LabelSets
from imagesearch.domain.ports import ChangeQueue, ImageStore
from imagesearch.duplicates.checker import DuplicateCheck
from imagesearch.duplicates.groups import DuplicateGroups
from imagesearch.feedback import Feedback
from imagesearch.search.searcher import Searcher
from imagesearch.uploads import Intake

from .addresses import Addresses


@dataclass(frozen=True)
class Parts:
    """`queue` is where changes of the bucket wait, for health to tell; None where none is known.

    Without `derived` there are no small copies of images; without `intake` the bucket is only read.
    """

    searcher: Searcher
    store: ImageStore
    queue: ChangeQueue | None = None
    derived: DerivedStore | None = None
    intake: Intake | None = None
    classifier: Classifier = field(kw_only=True)
    label_sets: LabelSets = field(kw_only=True)
    feedback: Feedback = field(kw_only=True)
    duplicate_groups: DuplicateGroups = field(kw_only=True)
    duplicate_check: DuplicateCheck = field(kw_only=True)

    @property
    def addresses(self) -> Addresses:
        return Addresses(self.store, self.derived)


class Note(Protocol):
    """Where facts of a request are left for its line in the log."""

    def __call__(self, **facts: object) -> None: ...
