"""Claims about the command line: exit statuses, results on stdout, messages on stderr."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.aws.clients import s3_location
from local.commands.feedback import feedback_in_s3
from local.errors import UsageError
from tests.integration.commands.conftest import BUCKET
from tests.support.servers.moto_server import moto_server

Result = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def run(commands, endpoint, tmp_path) -> Callable[..., Result]:
    """Runs `imagesearch` against the server, without the AWS settings of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    account = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }

    def run(*arguments: str, region: str = "us-east-1") -> Result:
        region_environment = {"AWS_DEFAULT_REGION": region} if region else {}
        return commands.run([*arguments], tmp_path, kept | account | region_environment)

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["push", ".", "photos"], "'photos' is not a bucket"),
        (["push", ".", "s3://nobodys"], "cannot list s3://nobodys/"),
        (["push", "nowhere", "s3://nobodys"], "nowhere does not exist"),
        (["backfill", "photos"], "'photos' is not a bucket"),
        (["backfill", "s3://photos"], "cannot read the stack imagesearch"),
    ],
)
def test_wrong_usage_ends_with_status_2(run, arguments, message):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_region_is_reported(run):
    done = run("backfill", "s3://photos", region="")
    assert done.returncode == 2
    assert "region" in done.stderr
    assert "Traceback" not in done.stderr


def test_pushed_files_are_counted_on_stderr(run, endpoint, tmp_path: Path):
    import boto3

    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
    s3.create_bucket(Bucket="photos")
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    done = run("push", ".", "s3://photos")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "1 uploaded\n")
    assert done.returncode == 0
    assert s3.head_object(Bucket="photos", Key="a.jpg")["ContentType"] == "image/jpeg"


@pytest.mark.parametrize(("origin", "prefix"), [(f"s3://{BUCKET}", ""), (f"s3://{BUCKET}/a", "a/")])
def test_every_feedback_record_is_read_and_nothing_else(s3, origin, prefix):
    for day in ("2026/01/02", "2025/12/31"):
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}feedback/{day}/0a.json", Body=day.encode())
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}thumbnails/x.webp", Body=b"picture")
    assert list(feedback_in_s3(s3_location(origin), s3)) == ["2025/12/31", "2026/01/02"]


def test_a_missing_bucket_is_named(s3):
    with pytest.raises(UsageError, match="cannot read s3://nowhere"):
        list(feedback_in_s3(s3_location("s3://nowhere"), s3))
