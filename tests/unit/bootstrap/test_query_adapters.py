"""The query adapter in use is read as often as the place of the derived objects allows."""

import pytest

from imagesearch import bootstrap
from imagesearch.bootstrap.query_adapters import query_adapter
from imagesearch.settings import Settings
from tests.conftest import STARTER_MODEL


@pytest.mark.parametrize(("derived", "seconds"), [("file:///derived", 0), ("s3://derived", 60)])
def test_an_adapter_is_used_from_the_next_search_on_or_within_a_minute(derived, seconds):
    read = Settings.from_environment(
        {
            "BUCKET": "photos",
            "INDEX_URL": "https://search",
            "MODEL_URI": str(STARTER_MODEL),
            "DERIVED_URI": derived,
            "AWS_REGION": "us-east-1",
        }
    )
    assert query_adapter(read).seconds == seconds
    bootstrap.release(read)
