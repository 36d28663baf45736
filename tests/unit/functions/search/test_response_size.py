"""Claims: a response fits into Lambda's 6 MB, with the largest records that a bucket can have."""

import io
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from hypothesis import example, given, settings
from hypothesis import strategies as st

from functions.search.handler import make_handler
from functions.search.request_log import RequestLog
from functions.search.routes.search_requests import MAX_BATCH_HITS, MAX_SEARCHES
from functions.search.routing import Dependencies
from imagesearch.adapters.s3.client import client_config
from imagesearch.adapters.s3.presigned_urls import PresignedUrls
from imagesearch.classification.classifier import Classifier
from imagesearch.classification.prompts import LabelEncoder, Prompts
from imagesearch.domain.images import Document, Neighbor, Status
from imagesearch.domain.ports import Put
from imagesearch.duplicates.checker import DuplicateChecker
from imagesearch.duplicates.groups import DuplicateFinder
from imagesearch.embedding.manifest import DuplicateWeights
from imagesearch.search.previews import Previews
from imagesearch.search.query_encoder import QueryEncoder
from imagesearch.search.searcher import Searcher
from tests.support.fake_index import FakeIndex
from tests.support.fakes import START, FakeDerived, FakeImages, FakeStore, FakeTexts, ref, vector
from tests.support.handlers import CONTEXT, http, parse_response

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
PAYLOAD = 6_291_456
KEY_BYTES, METADATA_BYTES, TAGS, TAG_CHARACTERS = 1_024, 2_048, 10, 128 + 256
TOKEN = "FwoGZXIvYXdzE/+" * 120  # 1,800 characters
COUNT = 160
ID = ref("0").id


def records(key: str, value: str, tag: str) -> list[Document]:
    """Records of one content: a key, user metadata and tags filled up with these characters."""
    metadata = {f"tag.{number}": tag * TAG_CHARACTERS for number in range(TAGS)}
    metadata |= {"m": value * (METADATA_BYTES - 1), "camera": value * 120, "lens": value * 120}
    filling = key * ((KEY_BYTES - 4) // len(key.encode()))
    return [
        Document(
            ref(f"{number:03}/{filling}"),
            Status.INDEXED,
            etag="e" * 32,
            last_modified=START,
            size=10**9,
            indexed_at=START + timedelta(days=1),
            model="m" * 60,
            decoder="d" * 60,
            sha256="f" * 64,
            content_type="image/x-canon-cr2",
            width=10_000,
            height=10_000,
            taken_at=START,
            metadata=metadata,
            latitude=-12.123456,
            longitude=-123.123456,
            phash="0" * 16,
            thumbnail="thumbnails/" + "t" * 150,
            truncated=True,
        )
        for number in range(COUNT)
    ]


class SignedUrls:
    """URLs as long as those of a function's role."""

    def __init__(self) -> None:
        import boto3

        session = boto3.Session("ASIAEXAMPLE012345678", "secret", TOKEN, "ap-southeast-2")
        client = session.client("s3", config=client_config())
        self._urls = PresignedUrls(client, session.get_credentials())

    def image(self, image: Any) -> str:
        return self._urls.url("b" * 63, image.key)

    def file(self, key: str) -> str:
        return self._urls.url("b" * 63, key)


@pytest.fixture(scope="module")
def urls() -> SignedUrls:
    return SignedUrls()


@pytest.fixture(scope="module")
def answers(urls) -> Any:
    """The responses of every route that returns records, for an index of these records."""

    def answers(documents: list[Document], only: str = "") -> dict[str, dict[str, Any]]:
        index, store, derived = FakeIndex(), FakeStore(), FakeDerived()
        store.url, derived.url = urls.image, urls.file  # type: ignore[method-assign]
        first = Neighbor(documents[0].id, documents[0].sha256 or "", 1.0, 1.0)
        for document in documents:
            linked = Document(**{**fields(document), "neighbors": (first,)})
            index.write([Put(linked, vector("a"), None)])
        handler = make_handler(dependencies(index, store, derived), quiet_log())
        image = http("POST", "/v1/duplicates/check", {"id": documents[0].id, "threshold": 0.8})
        searches = [
            {"query": {"text": f"a{n}"}, "limit": MAX_BATCH_HITS // MAX_SEARCHES}
            for n in range(MAX_SEARCHES)
        ]
        events = {
            "search": http("GET", "/v1/search", q="a", limit="100"),
            "similar": http("GET", f"/v1/images/{documents[0].id}/similar", limit="100"),
            "list": http("GET", "/v1/images", limit="100"),
            "duplicates": http("GET", "/v1/duplicates", limit="100"),
            "check": image,
            "classify": http(
                "POST",
                "/v1/classify",
                {"id": documents[0].id, "neighbours": 100, "source": "collection"},
            ),
            "batch": http("POST", "/v1/search/batch", {"searches": searches}),
        }
        return {
            name: handler(event, CONTEXT)
            for name, event in events.items()
            if name in (only or name)
        }

    return answers


def fields(document: Document) -> dict[str, Any]:
    return {name: getattr(document, name) for name in Document.__dataclass_fields__}


def dependencies(index: FakeIndex, store: FakeStore, derived: FakeDerived) -> Dependencies:
    texts, images = FakeTexts(), FakeImages()
    unused: Any = None
    labels = LabelEncoder(texts, Prompts(("{}",), temperature=0.1))
    return Dependencies(
        Searcher(index, texts, images),
        store,
        derived=derived,
        previews=Previews(index, store, images),
        classifier=Classifier(QueryEncoder(index, texts, images), labels, unused),
        label_sets=unused,
        feedback=unused,
        duplicate_groups=DuplicateFinder(index),
        duplicate_check=DuplicateChecker(index, images, DuplicateWeights().weights),
    )


def quiet_log() -> RequestLog:
    logger = Logger(service=uuid4().hex, level="ERROR", stream=io.StringIO())
    return RequestLog(logger, EphemeralMetrics(namespace="imagesearch", service="test"))


@settings(max_examples=1, derandomize=True, deadline=None)
@given(
    key=st.sampled_from(["\x01", '"', "é", "🐼", "a"]),
    value=st.sampled_from(['"', "\\", "a"]),
    tag=st.sampled_from(["𠀀", "a"]),
)
@example(key="\x01", value='"', tag="𠀀")
def test_every_response_fits_with_the_largest_records(answers, key, value, tag):
    for name, answer in answers(records(key, value, tag)).items():
        # As the runtime of Python 3.13 serializes it.
        size = len(json.dumps(answer, ensure_ascii=False).encode())
        assert size < PAYLOAD, (name, size)
        assert parse_response(answer).status == 200, (name, answer["body"][:500])


def test_a_batch_of_usual_records_is_complete(answers):
    usual = [
        Document(**{**fields(each), "metadata": {"camera": "X100"}})
        for each in records("a", "a", "a")
    ]
    results = parse_response(answers(usual, "batch")["batch"]).json["results"]
    assert sum(len(each["hits"]) for each in results) > MAX_BATCH_HITS - MAX_SEARCHES


def test_results_that_do_not_fit_are_errors_of_their_searches(answers):
    results = parse_response(answers(records("\x01", '"', "𠀀"), "batch")["batch"]).json["results"]
    codes = [each.get("error", {}).get("code") for each in results]
    assert codes[:8] == [None] * 8
    assert set(codes[16:]) == {"response_too_large"}


def test_more_hits_than_a_batch_may_have_are_rejected_with_the_bound(ask, index):
    search = {"query": {"text": "a"}, "limit": 100}
    answer = ask("POST", "/v1/search/batch", {"searches": [search] * 6})
    assert answer.status == 400
    assert str(MAX_BATCH_HITS) in answer.json["error"]["message"]
    assert not index.requested
    assert str(MAX_BATCH_HITS) in ask("GET", "/openapi.json").json["info"]["description"]
