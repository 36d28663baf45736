"""Claims about `imagesearch feedback export` of a deployed system."""

import pytest

from local.aws import s3_location
from local.commands.feedback import kept_in_s3
from local.errors import WrongUsage
from tests.integration.commands.conftest import BUCKET


@pytest.mark.parametrize(("origin", "prefix"), [(f"s3://{BUCKET}", ""), (f"s3://{BUCKET}/a", "a/")])
def test_every_pair_is_read_and_nothing_else(s3, origin, prefix):
    for day in ("2026/01/02", "2025/12/31"):
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}feedback/{day}/0a.json", Body=day.encode())
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}thumbnails/x.webp", Body=b"picture")
    assert list(kept_in_s3(s3_location(origin), s3)) == ["2025/12/31", "2026/01/02"]


def test_a_bucket_that_is_not_there_is_named(s3):
    with pytest.raises(WrongUsage, match="cannot read s3://nowhere"):
        list(kept_in_s3(s3_location("s3://nowhere"), s3))
