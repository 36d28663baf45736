"""Claims: a bound that several files have to name has the same value in each.

The code is the source where it knows the bound. YAML, definitions of state machines and texts
cannot import it, so that these tests compare them.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from functions.search.api import CORS_HEADERS, PREFLIGHT_SECONDS
from functions.search.requests import MAX_JSON_IMAGE, MAX_RAW_IMAGE
from imagesearch import bootstrap
from imagesearch.adapters.opensearch.index import TOMBSTONE_RETENTION
from imagesearch.adapters.sqs import KEYS_PER_MESSAGE
from imagesearch.domain.ports import UPLOAD_BYTES, UPLOAD_SECONDS
from imagesearch.domain.storage_keys import INVENTORIES, SEARCHES, UPLOADS
from imagesearch.settings import Settings
from local.commands.serve import UPLOAD_RECORD_SECONDS
from tests.support.aws.template import Deployment, load_template
from tests.support.paths import REPOSITORY

PARAMETERS = load_template()["Parameters"]
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
API_GATEWAY_SECONDS = 29
# The variable of each parameter that the functions read as it is.
PASSED = {
    variable: value["Ref"]
    for variable, value in load_template()["Globals"]["Function"]["Environment"][
        "Variables"
    ].items()
    if isinstance(value, dict) and value.get("Ref") in PARAMETERS
}
REQUIRED = {"bucket": "photos", "index_url": "https://host", "model_uri": "/opt/model"}


@pytest.mark.parametrize(("variable", "parameter"), PASSED.items())
def test_a_parameter_has_the_values_of_its_setting(variable, parameter):
    """Otherwise a deployment succeeds, and its functions do not start."""
    declared = PARAMETERS[parameter]
    low, high = declared.get("MinValue"), declared.get("MaxValue")
    values = declared.get("AllowedValues") or [declared["Default"]]
    for value in values + ([low, high] if low is not None else []):
        assert accepts(variable, value), value
    for value in ("anything", "") + ((low - 1, high + 1) if low is not None else ()):
        assert bool(Deployment(**{parameter: value}).invalid_parameters()) or accepts(
            variable, value
        )


def accepts(variable: str, value: object) -> bool:
    engine = {"index_engine": "faiss"} if variable == "INDEX_COMPRESSION" and value != "4x" else {}
    try:
        Settings.model_validate(REQUIRED | engine | {variable.lower(): str(value)})
    except ValidationError:
        return False
    return True


def test_a_default_is_the_same_in_both():
    """Except for what a local server asks its operator to allow."""
    fields = Settings.model_fields
    differing = {
        variable
        for variable, parameter in PASSED.items()
        if str(fields[variable.lower()].default).lower()
        != str(PARAMETERS[parameter]["Default"]).lower()
    }
    assert differing == {"ALLOW_UPLOADS"}


def test_a_batch_has_as_many_images_in_every_queue(functions):
    uploads = functions["IndexImages"]["Events"]["ImageQueue"]["Properties"]
    assert uploads["BatchSize"]["Fn::If"] == ["HasNextModel", 1, KEYS_PER_MESSAGE]
    for path in (REPOSITORY / "statemachines").glob("*.json"):
        for size in re.findall(r"States\.ArrayPartition\([^,]+Key, (\d+)\)", path.read_text()):
            assert int(size) == KEYS_PER_MESSAGE, path.name


def test_a_deletion_is_remembered_as_long_as_an_event_may_wait(resources):
    for name in ("ImageQueue", "NextModelQueue"):
        period = resources[name]["Properties"]["MessageRetentionPeriod"]
        assert timedelta(seconds=period) == TOMBSTONE_RETENTION


def test_pending_uploads_and_searches_are_remembered_as_long_as_on_one_machine(resources):
    rules = resources["DerivedBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    seconds = {
        rule["Prefix"]: timedelta(days=rule["ExpirationInDays"]).total_seconds() for rule in rules
    }
    of_inventories = seconds.pop(INVENTORIES)  # which `serve` does not read
    assert of_inventories > UPLOAD_RECORD_SECONDS
    assert seconds == dict.fromkeys((UPLOADS, SEARCHES), UPLOAD_RECORD_SECONDS)  # by `clean_up`
    assert UPLOAD_RECORD_SECONDS > UPLOAD_SECONDS


def test_a_preflight_response_is_the_same_from_api_gateway_and_the_function(resources):
    paths = resources["SearchApi"]["Properties"]["DefinitionBody"]["paths"]
    _, preflight, _ = paths["/v1/{proxy+}"]["options"]["Fn::If"]
    answer = preflight["x-amazon-apigateway-integration"]["responses"]["default"]
    headers = {
        name.rpartition("-")[2]: value
        for name, value in answer["responseParameters"].items()
        if isinstance(value, str)
    }
    assert headers["Headers"].strip("'").split(",") == CORS_HEADERS
    assert headers["Age"] == f"'{PREFLIGHT_SECONDS}'"


def test_the_function_answers_before_api_gateway_gives_up(functions):
    assert functions["Search"]["Timeout"] < API_GATEWAY_SECONDS


def test_a_file_is_decoded_for_at_most_8_seconds_on_lambda(functions):
    """The images of a request have half of its time (functions/search/handler.py)."""
    seconds = bootstrap.DECODING_SECONDS_ON_LAMBDA
    assert seconds <= 8
    assert seconds <= functions["Search"]["Timeout"] / 2


LIMIT = re.compile(r"(?:at most|up to|may have|maximum size is|larger than) ([0-9.]+) MB")
TEXTS = [
    REPOSITORY / "template.yaml",
    REPOSITORY / "README.md",
    *(REPOSITORY / "docs/how-to").glob("*.md"),
    *(REPOSITORY / "docs/reference").glob("*.md"),
    *(REPOSITORY / "functions/search").rglob("*.py"),
    *(REPOSITORY / "functions/search/page").glob("*.html"),
    *(REPOSITORY / "local/web").glob("*.py"),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_text_names_a_size_that_the_code_enforces(path: Path):
    sizes = {MAX_RAW_IMAGE / 1e6, MAX_JSON_IMAGE / 1e6, UPLOAD_BYTES / 2**20}
    assert {float(size) for size in LIMIT.findall(path.read_text())} <= sizes


@pytest.mark.parametrize(
    ("alarm", "value", "words"),
    [
        ("UploadsWait", 15 * 60, "15 minutes"),
        ("SearchUnavailable", 0.02, "2 %"),
        ("SearchSlow", 2000, "2 seconds"),
        ("ClusterStorageLow", 30, "30 %"),
        ("ClusterMemoryTight", 92, "92 %"),
    ],
)
def test_the_runbook_names_the_threshold_of_an_alarm(resources, alarm, value, words):
    properties: dict[str, Any] = resources[alarm]["Properties"]
    assert properties["Threshold"] == value
    assert words in properties["AlarmDescription"]
    runbook = (REPOSITORY / "docs/how-to/operate.md").read_text()
    [row] = [line for line in runbook.splitlines() if line.startswith(f"| `{alarm}` |")]
    assert words in row


def test_the_guides_name_the_defaults_of_the_parameters():
    sizes = (REPOSITORY / "docs/how-to/size.md").read_text()
    defaults = {name: str(each.get("Default")) for name, each in PARAMETERS.items()}
    assert f"`IndexMemoryMB` ({int(defaults['IndexMemoryMB']):,})" in sizes
    assert f"| uploads | `IndexConcurrency` | {defaults['IndexConcurrency']} |" in sizes
    backfill = defaults["BackfillConcurrency"]
    assert sizes.count(f"| `BackfillConcurrency` | {backfill} |") == 2
