"""The handlers with in-memory ports, called with AWS events."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from functions.index_images.handler import BatchReport
from functions.index_images.handler import make_handler as make_index_handler
from functions.search.handler import make_handler as make_search_handler
from functions.search.request_log import RequestLog
from functions.search.routing import Dependencies
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.classification.classifier import Classifier
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import LabelEncoder, Prompts
from imagesearch.domain.ports import NextModel
from imagesearch.duplicates.checker import DuplicateChecker
from imagesearch.duplicates.groups import DuplicateFinder
from imagesearch.embedding.manifest import DuplicateWeights
from imagesearch.feedback import Feedback
from imagesearch.indexing.indexer import Indexer
from imagesearch.search.previews import Previews
from imagesearch.search.query_encoder import QueryEncoder
from imagesearch.search.query_language import LanguageNotices
from imagesearch.search.search_ids import SearchIds
from imagesearch.search.searcher import Searcher
from imagesearch.uploads import UploadService
from tests.support.fakes import (
    RELEVANCE,
    FakeDerived,
    FakeQueue,
    FakeTexts,
    FakeWeb,
    ref,
)
from tests.support.handlers import CONTEXT, Logs, Response, http, parse_response


@pytest.fixture
def indexer(store, index, images, derived) -> Indexer:
    return Indexer(store, index, images, derived=derived)


@pytest.fixture
def level() -> str:
    return "INFO"


@pytest.fixture
def logs() -> Logs:
    return Logs(io.StringIO())


@pytest.fixture
def logger(logs, level) -> Logger:
    """A logger with its own service name, because loggers of one service share their stream."""
    return Logger(service=uuid4().hex, level=level, stream=logs.stream)


@pytest.fixture
def metrics() -> EphemeralMetrics:
    return EphemeralMetrics(namespace="imagesearch", service="test")


@pytest.fixture
def emitted(capsys) -> Callable[[], list[dict[str, Any]]]:
    """The metrics printed since the last call, in CloudWatch's embedded metric format."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def index_images(indexer, store, logger, metrics) -> Callable[[Any], dict[str, Any]]:
    handler = make_index_handler(indexer, store.bucket, logger, BatchReport(logger, metrics))
    return lambda event: handler(event, CONTEXT)


@pytest.fixture
def texts() -> FakeTexts:
    return FakeTexts()


@pytest.fixture
def web() -> FakeWeb | None:
    """None: URLs of images are not allowed."""
    return None


@pytest.fixture
def languages() -> LanguageNotices | None:
    """None: a model for all languages."""
    return None


@pytest.fixture
def search_ids(derived) -> SearchIds:
    return SearchIds("fake", derived)


@pytest.fixture
def searcher(index, texts, images, web, languages, search_ids) -> Searcher:
    return Searcher(index, texts, images, RELEVANCE, web, languages, search_ids)


@pytest.fixture
def labels() -> LabelEncoder:
    return LabelEncoder(FakeTexts(), Prompts(("{}",), temperature=0.1))


@pytest.fixture
def label_sets(labels, tmp_path) -> Iterator[LabelSets]:
    """In an index file that is created when it is first used, which few tests do."""
    with ExitStack() as stack:

        @cache
        def index() -> SqliteIndex:
            opened = SqliteIndex(tmp_path / "labels.db", "labels-test", dimension=8)
            return stack.enter_context(closing(opened))

        yield LabelSets(index, labels)


@pytest.fixture
def classifier(index, images, labels, label_sets, web) -> Classifier:
    return Classifier(QueryEncoder(index, FakeTexts(), images, web), labels, label_sets)


@pytest.fixture
def fill(store, indexer) -> Callable[..., None]:
    """Stores files under their keys and indexes them."""

    def fill(files: dict[str, bytes], **metadata: str) -> None:
        for key, data in files.items():
            store.put(key, data, metadata)
        indexer.process([ref(key) for key in files])

    return fill


@pytest.fixture
def queue() -> FakeQueue | None:
    """None, as for a local server."""
    return None


@pytest.fixture
def derived() -> FakeDerived | None:
    """None: thumbnails are disabled."""
    return None


@pytest.fixture
def uploads() -> UploadService | None:
    """None: the bucket is read-only."""
    return None


@pytest.fixture
def feedback(index, derived, search_ids) -> Feedback:
    return Feedback(index, derived, search_ids, "space")


@pytest.fixture
def next_model() -> NextModel | None:
    """None: the model does not change."""
    return None


@pytest.fixture
def dependencies(
    searcher,
    store,
    queue,
    derived,
    uploads,
    classifier,
    label_sets,
    feedback,
    index,
    images,
    next_model,
    web,
) -> Dependencies:
    return Dependencies(
        searcher,
        store,
        queue,
        derived,
        uploads,
        previews=Previews(index, store, images),
        classifier=classifier,
        label_sets=label_sets,
        feedback=feedback,
        duplicate_groups=DuplicateFinder(index),
        duplicate_check=DuplicateChecker(index, images, DuplicateWeights().weights),
        next_model=lambda: next_model,
        fetches_urls=web is not None,
    )


@pytest.fixture
def ask(dependencies, logger, metrics) -> Callable[..., Response]:
    """Sends a request as API Gateway does: bytes in base64, text unchanged."""
    return requested(dependencies, RequestLog(logger, metrics))


@pytest.fixture
def uncalibrated(dependencies, index, texts, images, logger, metrics) -> Callable[..., Response]:
    """Like `ask`, with an uncalibrated model."""
    without = replace(dependencies, searcher=Searcher(index, texts, images))
    return requested(without, RequestLog(logger, metrics))


def requested(dependencies: Dependencies, log: RequestLog) -> Callable[..., Response]:
    handler = make_search_handler(dependencies, log)
    return lambda *request, **query: parse_response(handler(http(*request, **query), CONTEXT))
