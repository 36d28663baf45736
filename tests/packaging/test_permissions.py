"""Claims: the IAM permissions of the model function are necessary and sufficient."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import set_initial_no_auth_action_count

from imagesearch.adapters.s3.model_folder import S3ModelFolder
from imagesearch.domain.errors import ConfigurationError
from imagesearch.downloads.model_source import ModelSource
from imagesearch.downloads.model_store import Deadline, S3ModelStore
from imagesearch.embedding.calibration_file import CALIBRATION
from imagesearch.embedding.manifest import MANIFEST
from tests.support.models.self_tests import BACKGROUND, RecordingTest
from tests.support.models.tiny_model import FILES, known, unsigned_graph
from tests.support.servers.file_server import FileServer

BUCKET = "imagesearch-models"
MIRROR = "mirror/models"  # ModelSource without its scheme
REGION = "us-east-1"
As = Callable[..., Any]


@pytest.fixture
def hub() -> Iterator[FileServer]:
    made = FileServer()
    made.files = {"/image.onnx": unsigned_graph(), "/text.onnx": b"text", "/tokenizer.json": b"{}"}
    with made.running():
        yield made


@pytest.fixture
def acting_as(translate, monkeypatch) -> Iterator[As]:
    """An S3 client with the permissions of a role, in an account that enforces them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    resources = translate(Release="1" * 40, ModelName="clip-vit-b-32")["Resources"]
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        iam = boto3.client("iam")

        def acting_as(role: str, without: str = "") -> Any:
            (policy,) = resources[role]["Properties"]["Policies"]
            iam.create_user(UserName=role)
            iam.put_user_policy(
                UserName=role,
                PolicyName=policy["PolicyName"],
                PolicyDocument=json.dumps(of_the_bucket(policy["PolicyDocument"], without)),
            )
            key = iam.create_access_key(UserName=role)["AccessKey"]
            return boto3.client(
                "s3",
                aws_access_key_id=key["AccessKeyId"],
                aws_secret_access_key=key["SecretAccessKey"],
            )

        yield acting_as


def of_the_bucket(document: dict[str, Any], without: str) -> dict[str, Any]:
    """The resolved statements of the model bucket, without one action."""
    taken = [each["Fn::If"][1] if "Fn::If" in each else each for each in document["Statement"]]
    arn = f"arn:aws:s3:::{BUCKET}"
    filled = []
    for each in taken:
        actions = [each["Action"]] if isinstance(each["Action"], str) else each["Action"]
        kept = {**each, "Action": [action for action in actions if action != without]}
        on = each["Resource"]
        if on == {"Fn::GetAtt": ["ModelBucket", "Arn"]}:
            filled.append(kept | {"Resource": arn})
        elif each["Sid"] == "ReadModelSource":
            filled.append(kept | {"Resource": f"arn:aws:s3:::{MIRROR}/*"})
        elif isinstance(on, dict) and "ModelBucket" in str(on.get("Fn::Sub")):
            filled.append(kept | {"Resource": on["Fn::Sub"].replace("${ModelBucket.Arn}", arn)})
    return document | {"Statement": [each for each in filled if each["Action"]]}


def test_a_model_is_stored_read_and_deleted_with_these_permissions_only(hub, acting_as, tmp_path):
    fetching, searching = acting_as("FetchModelRole"), acting_as("SearchRole")
    test = RecordingTest()
    open_store = S3ModelStore(BUCKET, "model", fetching, lambda _: known(hub), self_test=test)
    after = S3ModelStore(BUCKET, "next-model", fetching, lambda _: known(hub))

    @set_initial_no_auth_action_count(0)
    def enforced_permissions() -> None:
        assert open_store.put("tiny", Deadline()) == [*FILES]
        assert open_store.put("tiny", Deadline()) == []
        after.put("tiny", Deadline())
        model = S3ModelFolder(open_store.uri("tiny"), searching)
        model.download([*FILES, BACKGROUND], tmp_path)
        assert (tmp_path / "text.onnx").read_bytes() == b"text"
        for name in (CALIBRATION, "missing.json"):
            model.download_if_present(name, tmp_path)
        assert (tmp_path / CALIBRATION).exists()
        assert not (tmp_path / "missing.json").exists()
        with pytest.raises(ConfigurationError, match="AccessDenied"):
            S3ModelFolder(after.uri("tiny"), searching).download(FILES, tmp_path / "next")
        with pytest.raises(ClientError, match="AccessDenied"):
            searching.put_object(Bucket=BUCKET, Key="model/x", Body=b"")
        stored = [*FILES, MANIFEST, CALIBRATION, BACKGROUND]
        assert open_store.remove(open_store.uri("tiny")) == len(stored)

    enforced_permissions()


def test_a_mirror_is_read_below_its_prefix_only(hub, acting_as):
    fetching = acting_as("FetchModelRole")
    owner = boto3.client("s3")
    owner.create_bucket(Bucket="mirror")
    for name in FILES:
        for prefix in ("models", "others"):
            data = hub.files[f"/{name}"]
            owner.put_object(Bucket="mirror", Key=f"{prefix}/tiny/{name}", Body=data)

    def store(source: str) -> S3ModelStore:
        entry = known(hub)
        return S3ModelStore(
            BUCKET, "model", fetching, lambda _: entry, source=ModelSource(f"s3://{source}")
        )

    @set_initial_no_auth_action_count(0)
    def enforced_permissions() -> None:
        with pytest.raises(ConfigurationError, match=r"others/tiny/image\.onnx: AccessDenied"):
            store("mirror/others").put("tiny", Deadline())
        assert store(MIRROR).put("tiny", Deadline()) == [*FILES]

    enforced_permissions()
    assert hub.requests == []


@pytest.mark.parametrize(
    "action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]
)
def test_every_permission_is_necessary(hub, acting_as, action):
    fetching = acting_as("FetchModelRole", without=action)
    open_store = S3ModelStore(BUCKET, "model", fetching, lambda _: known(hub))

    @set_initial_no_auth_action_count(0)
    def enforced_permissions() -> None:
        open_store.put("tiny", Deadline())
        open_store.remove(open_store.uri("tiny"))

    with pytest.raises(ConfigurationError, match="AccessDenied"):
        enforced_permissions()
