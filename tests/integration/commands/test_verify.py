"""Claims: `imagesearch verify s3://…` prints the differences of a deployment and repairs them."""

import io
import json
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from imagesearch import bootstrap
from imagesearch.adapters.s3.derived_store import S3Derived
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.domain.images import Details, EncodedImage, ImageRef
from imagesearch.domain.storage_keys import feedback_key
from imagesearch.indexing.indexer import Indexer
from local.errors import UsageError
from local.verification.bucket import read_whole_bucket, verify_bucket
from tests.integration.commands.conftest import BUCKET
from tests.support.aws.inventory import FOLDER, report, row


@pytest.fixture
def deploy(aws, s3, queue, tmp_path):
    """Creates a stack with the outputs of the template, whose index is an SQLite file."""

    def deploy(**changed: str) -> str:
        url = queue("backfill")
        outputs = {
            "BucketName": BUCKET,
            "DerivedBucketName": "derived",
            "OpenSearchEndpoint": f"sqlite://{tmp_path}/index.db",
            "IndexPrefix": "images",
            "ModelUri": "/opt/starter_model",
            "BackfillQueueUrl": url,
        } | changed
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items() if value},
        }
        aws("cloudformation").create_stack(StackName="photos", TemplateBody=json.dumps(template))
        return url

    return deploy


@pytest.fixture
def read(aws, tmp_path):
    return lambda target, model=None: read_whole_bucket(
        target, "photos", None, model, tmp_path, aws
    )


def test_differences_of_a_bucket_are_printed_sent_and_mended(s3, deploy, read, drain, capsys):
    url = deploy()
    deployment = read(f"s3://{BUCKET}")
    index = bootstrap.vector_index(deployment.settings)
    dimension = bootstrap.manifest_of(deployment.settings.model_uri).dimension
    unit = np.eye(1, dimension, dtype=np.float32)[0]
    details = Details("0123456789abcdef", "1.000:" + "A" * 576, thumbnail=b"thumbnail")
    image = EncodedImage(unit, 1, 1, "image/jpeg", details=details)
    encoder = SimpleNamespace(
        model="fake", decoder="fake", encode_images=lambda images, _: [image for _ in images]
    )
    s3.create_bucket(Bucket="derived")
    indexer = Indexer(S3Store(BUCKET, s3), index, encoder, derived=S3Derived("s3://derived", s3))
    for name in "abcef":
        s3.put_object(Bucket=BUCKET, Key=f"{name}.jpg", Body=name.encode())
    indexer.process([ImageRef(BUCKET, f"{name}.jpg") for name in "abcef"])
    thumbnails = {
        name: index.get([id])[id].document.thumbnail
        for name in "abcef"
        if (id := ImageRef(BUCKET, f"{name}.jpg").id)
    }
    s3.delete_object(Bucket="derived", Key=thumbnails["e"])
    s3.put_object(Bucket="derived", Key=thumbnails["f"], Body=b"thumbmail")
    judgment = feedback_key(date(2026, 1, 5), "one", b"{}")
    s3.put_object(Bucket="derived", Key=judgment, Body=b"{")
    s3.put_object(Bucket=BUCKET, Key="a.jpg", Body=b"other")
    s3.delete_object(Bucket=BUCKET, Key="b.jpg")
    s3.put_object(Bucket=BUCKET, Key="d.jpg", Body=b"d")
    s3.put_object(Bucket=BUCKET, Key="notes.txt", Body=b"text")

    def index_queued_images(_: float) -> None:
        for body in (json.loads(record["body"]) for record in drain(url)):
            indexer.process([ImageRef(body["bucket"], key) for key in body["keys"]])

    console = Console(file=io.StringIO())
    assert not verify_bucket(deployment, console, repair=False, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {each["key"]: each["difference"] for each in lines} == {
        "a.jpg": "changed",
        "b.jpg": "gone",
        "d.jpg": "missing",
        "e.jpg": "damaged",
        "f.jpg": "damaged",
        judgment: "damaged",
    }
    assert drain(url) == []
    assert verify_bucket(deployment, console, repair=True, as_json=False, sleep=index_queued_images)
    assert capsys.readouterr().out.splitlines() == [
        "changed\ta.jpg",
        "gone\tb.jpg",
        "missing\td.jpg",
        "damaged\te.jpg (its thumbnail is missing)",
        "damaged\tf.jpg (its thumbnail is damaged)",
        f"damaged\t{judgment} (this feedback is not what was stored)",
    ]
    assert console.file.getvalue().splitlines()[-1] == "after the repair: 5 images: no difference"
    stored = {
        each["Key"]: s3.get_object(Bucket="derived", Key=each["Key"])["Body"].read()
        for each in s3.list_objects_v2(Bucket="derived")["Contents"]
    }
    assert stored.pop(f"{judgment}.damaged") == b"{"
    assert list(stored.values()) == [b"thumbnail"] * 5

    s3.create_bucket(Bucket="inventory")
    rows = [row(f"{name}.jpg") for name in "abcef"]  # as they were, with other ETags
    for key, data in report(rows).items():
        s3.put_object(Bucket="inventory", Key=key, Body=data)
    options = {"repair": False, "as_json": False, "inventory": f"s3://inventory/{FOLDER}/"}
    assert verify_bucket(deployment, console, **options)
    s3.delete_object(Bucket=BUCKET, Key="a.jpg")
    assert not verify_bucket(deployment, console, **options)
    assert capsys.readouterr().out == "gone\ta.jpg\n"
    bootstrap.release(deployment.settings)


@pytest.mark.parametrize(
    ("target", "changed", "message"),
    [
        ("s3://photos/2019", {}, "verify compares a whole bucket"),
        ("s3://others", {}, "indexes s3://photos, not s3://others"),
        ("s3://photos", {"IndexPrefix": ""}, "has no output IndexPrefix: deploy it again"),
        ("s3://photos", {"ModelUri": "/opt/own"}, "is in a layer: name its folder with --model"),
    ],
)
def test_an_impossible_comparison_is_reported(deploy, read, target, changed, message):
    deploy(**changed)
    with pytest.raises(UsageError, match=message):
        read(target)
