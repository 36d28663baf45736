"""Claims: CloudFormation gets the reason of every failure, and no incomplete model remains."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from imagesearch.downloads.model_store import S3ModelStore
from tests.support.aws.cloudformation import failed
from tests.support.models.tiny_model import FILES


def test_a_wrong_hash_is_reported_and_no_file_is_stored(cloudformation, hub, keys):
    hub.files["/text.onnx"] = b"evil"
    failed(cloudformation.ask("model-create"), "text.onnx has the SHA-256", "Deploy again")
    assert keys() == []


def test_a_hub_that_stays_busy_is_reported_with_what_to_do(cloudformation, hub, keys):
    hub.statuses = [429] * 500
    failed(cloudformation.ask("model-create"), "status 429", "ModelSource", "ModelName=starter")
    assert keys() == []


def test_an_unreachable_hub_is_reported(cloudformation, models, keys):
    model = models["clip-vit-b-32"]
    unreachable = {
        name: pin.model_copy(update={"url": "http://127.0.0.1:9/x"})
        for name, pin in model.pins.items()
    }
    models["clip-vit-b-32"] = model.model_copy(update={"pins": unreachable})
    failed(cloudformation.ask("model-create"), "127.0.0.1 cannot be reached", "ModelSource")
    assert keys() == []


@pytest.mark.parametrize("status", [403, 404])
def test_an_error_status_of_the_hub_is_reported(cloudformation, hub, status):
    hub.statuses = [200, status]
    failed(cloudformation.ask("model-create"), f"status {status}")
    assert len(hub.requests) == 2


def test_a_failed_download_keeps_the_current_model(cloudformation, hub, keys):
    old = cloudformation.ask("model-create")["PhysicalResourceId"]
    before = keys()
    hub.statuses = [200, 404]
    answer = cloudformation.ask("model-update", PhysicalResourceId=old)
    failed(answer, "previous model stays in use")
    assert answer["PhysicalResourceId"] == old
    assert keys() == before


def test_a_failed_update_keeps_the_current_model(cloudformation, hub, s3, keys):
    made = cloudformation.ask("model-create")["PhysicalResourceId"]
    bucket, _, prefix = made.removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/text.onnx", Body=b"damaged")
    hub.statuses = [403]
    failed(cloudformation.ask("model-again", PhysicalResourceId=made), "status 403")
    assert len(keys()) == len(FILES) + 1


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"ModelName": ""}, "has no ModelName"),
        ({"ModelName": ["clip"]}, "has no ModelName"),
        ({"Bucket": None}, "has no Bucket"),
        ({"ModelName": "clip-vit-z"}, "no model is named 'clip-vit-z'"),
        (
            {"ModelName": "clip-vit-b-32-datacomp"},
            "which a Lambda function cannot do; pull it on your machine",
        ),
    ],
)
class TestCatalogModels:
    @pytest.fixture
    def open_store(self, s3):
        return lambda bucket, part, _: S3ModelStore(bucket, part, s3)

    def test_invalid_properties_are_named(self, cloudformation, keys, properties, message):
        failed(cloudformation.ask("model-create", properties=properties), message)
        assert keys() == []


class DeniedOperation:
    """A client without permission for one operation."""

    def __init__(self, s3, operation, error):
        self._s3, self._operation, self._error = s3, operation, error

    def __getattr__(self, name):
        if name == self._operation:
            return self._refuse
        return getattr(self._s3, name)

    def _refuse(self, **_):
        raise self._error


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, operation)


@pytest.mark.parametrize("operation", ["put_object", "head_object"])
class TestWithoutPermission:
    @pytest.fixture
    def used_s3(self, s3, operation):
        return DeniedOperation(s3, operation, denied(operation))

    def test_a_bucket_without_permission_is_reported(self, cloudformation, keys, operation):
        failed(cloudformation.ask("model-create"), "AccessDenied", "the function's role")
        assert keys() == []


class TestWithoutS3:
    @pytest.fixture
    def used_s3(self, s3):
        return DeniedOperation(s3, "put_object", EndpointConnectionError(endpoint_url="https://s3"))

    def test_an_s3_outage_is_reported(self, cloudformation, keys):
        failed(cloudformation.ask("model-create"), "Could not connect", "Deploy again")
        assert keys() == []


class TestWithoutDeletePermission:
    @pytest.fixture
    def used_s3(self, s3):
        return DeniedOperation(s3, "delete_object", denied("DeleteObject"))

    def test_a_denied_deletion_is_reported(self, cloudformation, keys):
        made = cloudformation.ask("model-create")["PhysicalResourceId"]
        failed(cloudformation.ask("model-delete", PhysicalResourceId=made), "manually")


class TestBroken:
    @pytest.fixture
    def open_store(self):
        def open_store(bucket, part, source):
            raise ZeroDivisionError("an unexpected error")

        return open_store

    def test_an_unexpected_exception_is_reported_and_logged_with_its_location(
        self, cloudformation, logs
    ):
        failed(cloudformation.ask("model-create"), "ZeroDivisionError: an unexpected error")
        assert "in open_store" in logs.getvalue()
