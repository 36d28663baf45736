"""What the routes are made over: the use cases and ports of one deployment.

An operation of the API: which request is answered by which function, and with what.

Where an image and its small copy can be fetched for the next minutes.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from aws_lambda_powertools.event_handler import Response

from imagesearch.classification.classifier import Classifier
from imagesearch.classification.label_sets import LabelSets
from imagesearch.domain.images import Document
from imagesearch.domain.ports import ChangeQueue, DerivedStore, ImageStore
from imagesearch.duplicates.checker import DuplicateCheck
from imagesearch.duplicates.groups import DuplicateGroups
from imagesearch.feedback import Feedback
from imagesearch.search.searcher import Searcher
from imagesearch.uploads import UploadService

from .requests import Body
from .responses import Answer

UNREADABLE = (404, 413, 415, 422, 503)
AWAY = (503,)
JSON_AWAY = (413, 415, 503)
MISSING = (404, 503)


@dataclass(frozen=True)
class Operation:
    """`errors` are the statuses that this one can answer besides those that all can.

    One without `answers` is a page for people: it needs no key and is not in the document.
    """

    method: str
    path: str
    function: Callable[..., Response[Any]]
    answers: type[Answer] | None = None
    summary: str = ""
    errors: tuple[int, ...] = ()
    description: str = ""
    body: Body | None = None
    status: int = 200

    @property
    def openapi_path(self) -> str:
        return re.sub(r"<(\w+)>", r"{\1}", self.path)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"<\w+>", "[^/]+", self.path).rstrip("/") + "/*")

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The names that its query string may hold."""
        names = set(inspect.signature(self.function).parameters)
        return frozenset(names - set(re.findall(r"<(\w+)>", self.path)) - {"request"})


@dataclass(frozen=True)
class ImageUrls:
    """Without a derived store there are no small copies."""

    images: ImageStore
    derived: DerivedStore | None = None

    def image(self, document: Document) -> str:
        """Raises Unavailable."""
        return self.images.url(document.ref)

    def thumbnail(self, document: Document) -> str | None:
        """Raises Unavailable."""
        small = document.thumbnail
        return self.derived.url(small) if self.derived and small else None


@dataclass(frozen=True)
class Dependencies:
    """`queue` is where changes of the bucket wait, for health to tell; None where none is known.

    Without `derived` there are no small copies of images; without `uploads` the bucket is only
    read.
    """

    searcher: Searcher
    store: ImageStore
    queue: ChangeQueue | None = None
    derived: DerivedStore | None = None
    uploads: UploadService | None = None
    classifier: Classifier = field(kw_only=True)
    label_sets: LabelSets = field(kw_only=True)
    feedback: Feedback = field(kw_only=True)
    duplicate_groups: DuplicateGroups = field(kw_only=True)
    duplicate_check: DuplicateCheck = field(kw_only=True)

    @property
    def addresses(self) -> ImageUrls:
        return ImageUrls(self.store, self.derived)


class LogFields(Protocol):
    """Where facts of a request are left for its line in the log."""

    def __call__(self, **facts: object) -> None: ...
