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
def index(request: pytest.FixtureRequest) -> tuple[dict[str, str], str]:
    """The environment that selects an index, and the kinds of requests to generate.

    No request that fails validation reaches an index, so these are sent with one of the two.
    """
    if request.param == "embedded":
        return {}, "all"
    return {"INDEX_URL": request.getfixturevalue("opensearch_url")}, "positive"


def test_no_request_gets_an_answer_that_is_not_documented(
    few: Path, serve: Callable[[Path], Any], index: tuple[dict[str, str], str], tmp_path: Path
) -> None:
    environment, mode = index
    serving = serve(few).start(IMAGESEARCH_API_KEY=KEY, **environment).ready()
    schema = [f"{serving.url}/openapi.json", "-H", f"x-api-key: {KEY}", "--mode", mode]
    line = [COMMAND, "run", *schema, *OPTIONS]
    done = run(line, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8_000:]
    assert " passed" in done.stdout
