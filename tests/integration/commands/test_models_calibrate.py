"""`imagesearch models calibrate s3://…` tests a model in S3, and uploads its result or refusal."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from imagesearch.calibration.calibration_set import MIN_PHOTOS
from imagesearch.domain.errors import ModelRefused
from imagesearch.embedding.calibration_file import CALIBRATION
from local.models.calibration import calibrate_model
from tests.integration.commands.conftest import BUCKET
from tests.support.paths import SAMPLES
from tests.unit.models.conftest import small_clip  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow

PREFIX = "models/untrained"


@pytest.fixture
def stored(s3: Any, small_clip: Path) -> dict[str, bytes]:  # noqa: F811
    """A CLIP with random weights in S3; its files."""
    files = {path.name: path.read_bytes() for path in small_clip.iterdir()}
    for name, data in files.items():
        s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=data)
    return files


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    path = tmp_path / "captions.tsv"
    head, *rows = (SAMPLES / "samples.tsv").read_text("utf-8").splitlines()
    some = [f"{SAMPLES}/{row}" for row in rows[:MIN_PHOTOS]]
    path.write_text("\n".join([head, *some]), "utf-8")
    return path


def test_a_refusal_is_uploaded_and_replaced_by_the_result_of_an_accepted_model(
    s3: Any, stored: dict[str, bytes], captions: Path, tmp_path: Path
) -> None:
    def files() -> dict[str, bytes]:
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
        return {
            key.removeprefix(f"{PREFIX}/"): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for key in keys
        }

    console = Console(file=io.StringIO())
    uri = f"s3://{BUCKET}/{PREFIX}"
    with pytest.raises(ModelRefused, match="fewer than 25%"):
        calibrate_model(uri, tmp_path, console, captions)
    assert files() == stored  # The captions may be at fault.
    with pytest.raises(ModelRefused, match="fewer than 25%"):
        calibrate_model(uri, tmp_path, console)
    refused = files()
    assert json.loads(refused.pop(CALIBRATION))["accepted"] is False
    assert refused == stored
    row = calibrate_model(uri, tmp_path, console, captions, accept=True)
    result = json.loads(files()[CALIBRATION])
    assert (row["model"], result["accepted"]) == (uri, True)
    assert result["figures"] == json.loads(json.dumps(row["figures"]))
    assert result["figures"]["test"]["photos"] == MIN_PHOTOS
