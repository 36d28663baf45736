"""Claims: a model that is deleted leaves the bucket empty, and nothing else is touched."""

import pytest

from tests.integration.fetch_model.conftest import BUCKET


def test_a_bucket_can_go_once_its_model_is_deleted(cloudformation, s3, keys):
    made = cloudformation.ask("model-create")["PhysicalResourceId"]
    assert cloudformation.ask("model-delete", PhysicalResourceId=made)["Status"] == "SUCCESS"
    assert keys() == []
    s3.delete_bucket(Bucket=BUCKET)


def test_what_is_not_of_the_model_stays(cloudformation, s3, keys):
    made = cloudformation.ask("model-create")["PhysicalResourceId"]
    begin = made.removeprefix(f"s3://{BUCKET}/")
    others = [f"{begin}-other/x", "model/y", "z"]
    for key in others:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    cloudformation.ask("model-delete", PhysicalResourceId=made)
    assert keys() == sorted(others)


@pytest.mark.parametrize(
    "id",
    [
        "Model-was-not-made",
        "something",
        "s3://somebody-elses/model/clip/1",
        f"s3://{BUCKET}/next-model/clip/1",
        f"s3://{BUCKET}/model/",
        f"s3://{BUCKET}/model/clip",
        f"s3://{BUCKET}/model/clip/",
        f"s3://{BUCKET}/model//1",
        f"s3://{BUCKET}/",
    ],
)
def test_what_was_not_made_here_is_deleted_without_a_touch(cloudformation, s3, keys, id):
    theirs = ["model/clip/2/x", "next-model/clip/1/x", "x"]
    for key in theirs:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    answer = cloudformation.ask("model-delete", PhysicalResourceId=id)
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == id
    assert keys() == sorted(theirs)


def test_a_bucket_that_is_gone_already_holds_nothing_up(cloudformation, s3):
    s3.delete_bucket(Bucket=BUCKET)
    assert cloudformation.ask("model-delete")["Status"] == "SUCCESS"


def test_what_was_never_asked_for_rightly_can_be_deleted(cloudformation):
    """A stack that could not be made for want of a property must be able to go."""
    failed = cloudformation.ask("model-create", ResourceProperties={})
    assert failed["Status"] == "FAILED"
    id = failed["PhysicalResourceId"]
    deleted = cloudformation.ask("model-delete", PhysicalResourceId=id, ResourceProperties={})
    assert deleted["Status"] == "SUCCESS"
