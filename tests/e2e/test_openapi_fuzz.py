"""The server does what its OpenAPI document says, whatever schemathesis thinks of to send."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import PATIENCE_SECONDS, run

KEY = "the key"
COMMAND = Path(sys.executable).with_name("schemathesis")
# A cursor that was made up is refused, and no schema can tell it from one that was given.
OPTIONS = (
    "--checks all --exclude-checks positive_data_acceptance --generation-deterministic"
    f" --max-examples 25 --request-timeout {PATIENCE_SECONDS:g} --no-color"
).split()


@pytest.fixture(params=["embedded", "opensearch"])
def index_url(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the environment says of the index."""
    if request.param == "embedded":
        return {}
    return {"INDEX_URL": request.getfixturevalue("opensearch_url")}


def test_every_response_is_documented(
    few: Path, serve: Callable[[Path], Any], index_url: dict[str, str], tmp_path: Path
) -> None:
    serving = serve(few).start(IMAGESEARCH_API_KEY=KEY, **index_url).ready()
    line = [COMMAND, "run", f"{serving.url}/openapi.json", "-H", f"x-api-key: {KEY}", *OPTIONS]
    done = run(line, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8_000:]
    assert " passed" in done.stdout
