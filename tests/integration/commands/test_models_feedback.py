"""Claims: `models compare --feedback --from s3://…` replays the feedback of a deployed system.

Images and feedback are in moto's S3, the index is an SQLite file, and the search function stores
the feedback with its texts.
"""

import io
import json
import shutil

import pytest
from rich.console import Console

from functions.search.composition import build_handler as build_search_handler
from imagesearch import bootstrap
from imagesearch.domain.images import ImageRef
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.settings import Settings
from local.commands.models import replay_feedback
from local.errors import UsageError
from local.evaluation.replay import rated_settings
from tests.integration.commands.conftest import BUCKET
from tests.support.handlers import CONTEXT, http, parse_response
from tests.support.paths import SAMPLES, STARTER_MODEL

DERIVED = "derived"


@pytest.fixture
def stack(aws, s3, tmp_path) -> Settings:
    """The settings of the search function of a stack."""
    s3.create_bucket(Bucket=DERIVED)
    outputs = {
        "BucketName": BUCKET,
        "DerivedBucketName": DERIVED,
        "OpenSearchEndpoint": f"sqlite://{tmp_path}/index.db",
        "IndexPrefix": "photos",
        "ModelUri": "/opt/starter_model",
        "BackfillQueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/backfill",
    }
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    aws("cloudformation").create_stack(StackName="photos", TemplateBody=json.dumps(template))
    return Settings(
        bucket=BUCKET,
        index_url=outputs["OpenSearchEndpoint"],
        index_prefix="photos",
        model_uri=str(STARTER_MODEL),
        derived_uri=f"s3://{DERIVED}",
        feedback_texts=True,
    )


@pytest.fixture
def rated(aws, tmp_path):
    def rated(origin: str) -> Settings:
        return rated_settings(None, origin, "photos", None, None, tmp_path, aws)

    return rated


def test_feedback_on_a_text_is_replayed_with_a_model_that_has_indexed_nothing(
    stack, s3, rated, tmp_path, capsys, monkeypatch
):
    """Of three indexed images, it embeds the two that were rated."""
    names = ("owl.webp", "cow.webp", "giant-panda.webp")
    for name in names:
        s3.upload_file(SAMPLES / "animals" / name, BUCKET, name)
    bootstrap.indexer(stack).process([ImageRef(BUCKET, name) for name in names])
    handle = build_search_handler(stack, None)
    found = parse_response(handle(http("GET", "/v1/search", q="an owl", feedback="true"), CONTEXT))
    rated_hits = [hit for hit in found.json["hits"] if hit["key"] != "giant-panda.webp"]
    for hit in rated_hits:
        body = {
            "search_id": found.json["search_id"],
            "id": hit["id"],
            "relevant": hit["key"] == "owl.webp",
        }
        assert parse_response(handle(http("POST", "/v1/feedback", body), CONTEXT)).status == 201
    shutil.copytree(STARTER_MODEL, other := tmp_path / "other")
    embedded: list[int] = []
    encode = OnnxImageEncoder.encode_images

    def counted(self, files, *more):
        embedded.append(len(files))
        return encode(self, files, *more)

    monkeypatch.setattr(OnnxImageEncoder, "encode_images", counted)
    capsys.readouterr()
    settings, messages = rated(f"s3://{DERIVED}"), io.StringIO()
    replay_feedback([str(other)], settings, tmp_path, Console(file=messages, width=200), True)
    [row] = map(json.loads, capsys.readouterr().out.splitlines())
    assert embedded == [2]
    assert (row["queries"], row["mrr_in_use"], row["mrr"]) == (1, 1, 1)
    assert "2 opinions, 2 images, in use: starter" in messages.getvalue()
    for each in (stack, settings):
        bootstrap.release(each)


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ("s3://photos", "stores feedback in s3://derived, not s3://photos"),
        ("s3://derived/feedback", "names a whole bucket: write s3://derived"),
        ("derived", "is not a bucket"),
    ],
)
def test_another_bucket_is_reported(stack, rated, origin, message):
    with pytest.raises(UsageError, match=message):
        rated(origin)
