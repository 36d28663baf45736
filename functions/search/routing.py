"""API operations and the dependencies that their handlers use.

`Operation` is one method and path with its handler, models and error statuses; `Dependencies`
holds the use cases and ports of one deployment.
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
from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Document, ImageRef
from imagesearch.domain.ports import ChangeQueue, DerivedStore, ImageStore, NextModel
from imagesearch.domain.storage_keys import large_thumbnail_key
from imagesearch.duplicates.checker import DuplicateChecker
from imagesearch.duplicates.groups import DuplicateFinder
from imagesearch.feedback import Feedback
from imagesearch.search.previews import Previews
from imagesearch.search.searcher import Searcher
from imagesearch.uploads import UploadService

from .http.base_path import public_url
from .requests import RequestBody
from .responses import ResponseModel

# Error statuses of an operation, in addition to those that every operation has.
UNAVAILABLE = (503,)
NOT_FOUND = (404, 503)
JSON_ERRORS = (413, 415, 503)
IMAGE_ERRORS = (404, 413, 415, 422, 503)


@dataclass(frozen=True)
class Operation:
    """One method and path of the API.

    `errors` are its error statuses in addition to those that every operation has. `response` is the
    model of its JSON, or the media type of a file. An operation without one is an HTML page or an
    asset of it: it needs no API key and is not in the OpenAPI document.
    """

    method: str
    path: str
    function: Callable[..., Response[Any]]
    response: type[ResponseModel] | str | None = None
    summary: str = ""
    errors: tuple[int, ...] = ()
    description: str = ""
    body: RequestBody | None = None
    status: int = 200

    @property
    def openapi_path(self) -> str:
        """The path in OpenAPI's notation: `/v1/images/{id}`."""
        return re.sub(r"<(\w+)>", r"{\1}", self.path)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches request paths, with or without trailing slashes."""
        return re.compile(re.sub(r"<\w+>", "[^/]+", self.path).rstrip("/") + "/*")

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The names of its query parameters."""
        names = set(inspect.signature(self.function).parameters)
        return frozenset(names - set(re.findall(r"<(\w+)>", self.path)) - {"request"})

    def unknown_parameter(self, name: str) -> InvalidQuery:
        """The error for a query parameter that the operation does not have."""
        known = ", ".join(sorted(self.parameters))
        hint = f"use one of: {known}" if known else "send no parameters"
        return InvalidQuery(f"unknown parameter {name!r}", hint, code="unknown_parameter")


@dataclass(frozen=True)
class ImageUrls:
    """Temporary URLs of images and thumbnails; without a derived store there are no thumbnails."""

    images: ImageStore
    derived: DerivedStore | None = None

    def image(self, document: Document) -> str:
        """Raises Unavailable."""
        return self.original(document.ref)

    def original(self, ref: ImageRef) -> str:
        """The URL of an object, which need not be indexed. Raises Unavailable."""
        return public_url(self.images.url(ref))

    def thumbnail(self, document: Document) -> str | None:
        """Raises Unavailable."""
        small = document.thumbnail
        return public_url(self.derived.url(small)) if self.derived and small else None

    def large_thumbnail(self, document: Document) -> str | None:
        """Raises Unavailable."""
        small = document.thumbnail
        if not (self.derived and small and document.large_thumbnail):
            return None
        return public_url(self.derived.url(large_thumbnail_key(small)))

    def fields(self, document: Document) -> dict[str, Any]:
        """The fields `url` and `thumbnail_url`, and `large_thumbnail_url` if there is one."""
        large = self.large_thumbnail(document)
        urls = {"url": self.image(document), "thumbnail_url": self.thumbnail(document)}
        return {**urls, "large_thumbnail_url": large} if large else urls


@dataclass(frozen=True)
class Dependencies:
    """The use cases and ports behind the routes.

    `queue` holds pending bucket changes, for the health check; None where it is not accessible.
    Without `derived` there are no thumbnails; without `uploads` the bucket is read-only.
    `next_model` returns the progress of a change of the model, and `fetches_urls` is true if images
    are fetched from URLs; both are for the health check.
    """

    searcher: Searcher
    store: ImageStore
    queue: ChangeQueue | None = None
    derived: DerivedStore | None = None
    uploads: UploadService | None = None
    previews: Previews = field(kw_only=True)
    classifier: Classifier = field(kw_only=True)
    label_sets: LabelSets = field(kw_only=True)
    feedback: Feedback = field(kw_only=True)
    duplicate_groups: DuplicateFinder = field(kw_only=True)
    duplicate_check: DuplicateChecker = field(kw_only=True)
    next_model: Callable[[], NextModel | None] = field(default=lambda: None, kw_only=True)
    fetches_urls: bool = field(default=False, kw_only=True)

    @property
    def image_urls(self) -> ImageUrls:
        return ImageUrls(self.store, self.derived)


class LogFields(Protocol):
    """Adds fields to the log line of the current request."""

    def __call__(self, **fields: object) -> None: ...
