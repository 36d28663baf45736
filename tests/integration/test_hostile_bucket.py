"""Claims: each object of any bucket is indexed, skipped or rejected with a reason.

Buckets are generated: unusual keys, mismatched contents, and objects that S3 does not return.
"""

from __future__ import annotations

import io
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws
from PIL import Image

from functions.index_images.handler import BatchReport, make_handler
from imagesearch.adapters.s3.client import client_config
from imagesearch.adapters.s3.derived_store import S3Derived
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.domain.images import Document, ImageRef, Status
from imagesearch.domain.media_types import named_as_image, sniff
from imagesearch.duplicates.linker import Linker
from imagesearch.indexing.consistency import check_consistency
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import OutcomeKind
from tests.support.aws.cloud import BUCKET, DERIVED, REGION
from tests.support.handlers import CONTEXT

CREDENTIALS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}


def saved(size: tuple[int, int], format: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    picture = Image.linear_gradient("L").resize(size).convert(mode)
    picture.save(file, format)
    return file.getvalue()


IMAGES = {
    "jpeg": saved((64, 48), "JPEG"),
    "png": saved((40, 40), "PNG", "RGBA"),
    "webp": saved((64, 48), "WEBP"),
    "gif": saved((30, 50), "GIF", "P"),
    "tiff": saved((16, 16), "TIFF"),
    "one pixel": saved((1, 1), "PNG"),
    "a divider line": saved((800, 1), "PNG"),
    "a thread": saved((1, 3_000), "PNG"),
}
NO_IMAGES = {
    "nothing": b"",
    "one byte": b"x",
    "one zero": b"\0",
    "zeros": bytes(5_000),
    "text": b"a letter",
    "a vector drawing": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "an archive": b"PK\x03\x04" + bytes(40),
    "a signature alone": IMAGES["png"][:8],
    "the first bytes of a JPEG": IMAGES["jpeg"][:40],
}
CONTENTS = IMAGES | NO_IMAGES

KEPT = {
    "STANDARD": "",
    "STANDARD_IA": "",
    "GLACIER_IR": "",
    "GLACIER": "restore it first",
    "DEEP_ARCHIVE": "restore it first",
    "ARCHIVE_ACCESS": "restore it first",
    "RESTORED": "",
    "SSE-C": "SSE-C",
    "SSE-KMS, denied": "kms:Decrypt",
    "SSE-KMS, disabled": "enable it",
}


@dataclass
class S3:
    """The S3 of moto, with errors for the objects that S3 does not return."""

    client: Any
    kept: dict[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def head_object(self, **requested: str) -> Any:
        kept = self.kept.get(requested["Key"], "")
        if kept == "SSE-C":
            raise access_error("400", "Bad Request", 400)
        found = self.client.head_object(**requested)
        if kept == "ARCHIVE_ACCESS":
            found |= {"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": kept}
        if kept.startswith("SSE-KMS"):
            found["ServerSideEncryption"] = "aws:kms"
        return found

    def get_object(self, **requested: str) -> Any:
        kept = self.kept.get(requested["Key"], "")
        if kept == "SSE-C":
            message = "The object was stored using a form of Server Side Encryption. The correct"
            raise access_error("InvalidRequest", message, 400)
        if kept == "ARCHIVE_ACCESS":
            raise access_error("InvalidObjectState", "not valid for the access tier", 403)
        if kept == "SSE-KMS, denied":
            raise access_error("AccessDenied", "Access Denied", 403)
        if kept == "SSE-KMS, disabled":
            raise access_error("KMS.DisabledException", "the key is disabled", 400)
        return self.client.get_object(**requested)

    def keep(self, key: str, data: bytes, kept: str, metadata: dict[str, str]) -> None:
        location = {"Bucket": BUCKET, "Key": key}
        storage = {"RESTORED": "GLACIER"}.get(kept, kept)
        storage = storage if storage in self.STORAGE else "STANDARD"
        self.client.put_object(**location, Body=data, StorageClass=storage, Metadata=metadata)
        self.kept[key] = kept
        if kept == "RESTORED":
            self.client.restore_object(**location, RestoreRequest={"Days": 1})
            self.client.head_object(**location)

    STORAGE = ("STANDARD", "STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")


def access_error(code: str, message: str, status: int) -> ClientError:
    reason = {"Code": code, "Message": message}
    return ClientError(
        {"Error": reason, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )


@dataclass(frozen=True)
class Object:
    content: str
    kept: str
    metadata: dict[str, str]


STEMS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12),
    st.sampled_from(
        [
            *("../up", "a//b", "./x", "50%", "%2B", "a+b", "a b", "line\nbreak", "tab\t", "más/🐼"),
            *(
                ".hidden",
                "..",
                "~",
                "a" * 1_000,
                "é" * 500,
                "a\\b",
                "?query=1",
                "#part",
                "&",
                "<x>",
            ),
        ]
    ),
)
ENDS = st.sampled_from(["", "/", ".jpg", ".JPEG", ".png", ".webp", ".heic", ".txt", ".jpg.txt"])
KEYS = st.builds(lambda stem, end: stem + end, STEMS, ENDS).filter(
    lambda key: len(key.encode()) <= 1_024
)
METADATA = st.dictionaries(
    st.sampled_from(["camera", "label", "a-b", "x.y", "1"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip),
    max_size=3,
)
OBJECTS = st.builds(
    Object, st.sampled_from(sorted(CONTENTS)), st.sampled_from(sorted(KEPT)), METADATA
)
BUCKETS = st.dictionaries(KEYS, OBJECTS, min_size=1, max_size=8)


def batch_of(keys: list[str]) -> dict[str, Any]:
    """Messages in the two formats that contain one key."""
    own = '{"Records": [{"s3": {"bucket": {"name": "%s"}, "object": {"key": "%s"}}}]}'
    bodies = [own % (BUCKET, quote_plus(key)) for key in keys]
    return {
        "Records": [
            {"eventSource": "aws:sqs", "messageId": str(n), "body": body}
            for n, body in enumerate(bodies)
        ]
    }


@pytest.fixture(scope="module")
def examined(onnx_images, manifest):
    """The outcomes of all objects, for each generated bucket."""

    def examine(objects: dict[str, Object]) -> None:
        with mock_aws(), tempfile.TemporaryDirectory() as folder:
            client = boto3.client("s3", region_name=REGION, config=client_config(), **CREDENTIALS)
            for name in (BUCKET, DERIVED):
                place = {"LocationConstraint": REGION}
                client.create_bucket(Bucket=name, CreateBucketConfiguration=place)
            s3 = S3(client)
            for key, each in objects.items():
                s3.keep(key, CONTENTS[each.content], each.kept, each.metadata)
            index = SqliteIndex(Path(folder) / "i.db", "images", manifest.dimension)
            try:
                claims(objects, s3, index, onnx_images, manifest)
            finally:
                index.close()

    return examine


def claims(objects: dict[str, Object], s3: S3, index: SqliteIndex, images, manifest) -> None:
    store = S3Store(BUCKET, s3)
    derived = S3Derived(f"s3://{DERIVED}", s3.client)
    linker = Linker(index, manifest.duplicates.weights)
    indexer = Indexer(store, index, images, derived=derived, linker=linker)
    logger = Logger(service=uuid.uuid4().hex, stream=io.StringIO())
    report = BatchReport(logger, EphemeralMetrics(namespace="imagesearch", service="test"))
    handler = make_handler(indexer, BUCKET, logger, report)
    assert handler(batch_of(list(objects)), CONTEXT) == {"batchItemFailures": []}
    first = records(index, objects)
    for key, each in objects.items():
        is_as_expected(key, each, first[key])
    refs = [ImageRef(BUCKET, key) for key in objects]
    again = {outcome.ref.key: outcome.kind for outcome in indexer.process(refs)}
    assert set(again) == set(objects)
    assert set(again.values()) <= {OutcomeKind.UNCHANGED, OutcomeKind.SKIPPED}
    assert records(index, objects) == first
    assert check_consistency(store, index).is_consistent


def records(index: SqliteIndex, objects: dict[str, Object]) -> dict[str, Document | None]:
    ids = {key: ImageRef(BUCKET, key).id for key in objects}
    stored = index.get(list(ids.values()))
    return {key: stored[id].document if id in stored else None for key, id in ids.items()}


def is_as_expected(key: str, each: Object, document: Document | None) -> None:
    data, reason = CONTENTS[each.content], KEPT[each.kept]
    if not named_as_image(key) and (reason or not sniff(data)):
        assert document is None, (key, each)
        return
    assert document is not None, (key, each)
    if reason or each.content in NO_IMAGES:
        assert document.status is Status.REJECTED
        assert document.reason
        assert reason in document.reason
    else:
        assert document.status is Status.INDEXED
        assert document.neighbors is not None


@settings(max_examples=12, derandomize=True, deadline=None)
@given(BUCKETS)
def test_every_object_has_an_outcome_and_a_second_run_changes_nothing(examined, objects):
    examined(objects)


def test_each_content_is_handled_in_each_storage_state_of_s3(examined):
    """Half of the keys have no image extension."""
    ways = [(kept, content) for kept in KEPT for content in CONTENTS]
    examined(
        {
            f"{kept}/{content}{'.png' if n % 2 else ''}": Object(content, kept, {})
            for n, (kept, content) in enumerate(ways)
        }
    )
