"""What template.yaml and the state machine's definition promise of a backfill and a next model."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def machine(resources) -> dict[str, Any]:
    return resources["Backfill"]["Properties"]


@pytest.fixture
def text(machine) -> str:
    return (ROOT / machine["DefinitionUri"]).read_text()


@pytest.fixture
def objects(text) -> dict[str, Any]:
    return json.loads(text)["States"]["Objects"]


def tasks(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tasks of a map, however deep."""
    for each in state["ItemProcessor"]["States"].values():
        if each["Type"] == "Map":
            yield from tasks(each)
        if each["Type"] == "Task":
            yield each


def test_every_name_in_the_definition_is_filled_in(machine, text):
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(machine["DefinitionSubstitutions"])


def test_the_listing_is_read_by_a_distributed_map_with_express_children(objects):
    assert objects["ItemReader"]["Resource"].endswith(":s3:listObjectsV2")
    assert objects["ItemProcessor"]["ProcessorConfig"] == {
        "Mode": "DISTRIBUTED",
        "ExecutionType": "EXPRESS",
    }


def test_one_batch_that_fails_fails_the_backfill(objects):
    assert not [field for field in objects if field.startswith("Tolerated")]


def test_the_results_of_ten_million_objects_fit_into_what_a_state_may_answer(objects):
    children = 10_000_000 / objects["ItemBatcher"]["MaxItemsPerBatch"]
    assert objects["ItemProcessor"]["States"]["AllSent"]["Result"] == {}
    assert children * len("{},") < 256 * 1024
    assert objects["ItemBatcher"]["MaxInputBytesPerBatch"] < 256 * 1024


def test_what_a_queue_does_not_take_is_sent_again_ever_more_slowly(objects):
    for task in tasks(objects):
        (retry,) = task["Retry"]
        assert retry["ErrorEquals"] == ["States.ALL"]
        assert retry["MaxAttempts"] >= 5
        assert retry["BackoffRate"] > 1
        assert retry["JitterStrategy"] == "FULL"


def test_both_queues_get_the_same_messages(objects):
    bodies = [task["Parameters"]["MessageBody"] for task in tasks(objects)]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]


def test_a_next_model_is_told_of_every_change(resources):
    _, second = resources["ObjectChanges"]["Properties"]["Targets"]
    condition, target, otherwise = second["Fn::If"]
    assert condition == "HasNextModel"
    assert target["Arn"] == {"Fn::GetAtt": ["NextModelQueue", "Arn"]}
    assert otherwise == {"Ref": "AWS::NoValue"}


def test_a_next_model_is_indexed_by_the_same_code_with_another_model(functions):
    index, after = functions["IndexImages"], functions["IndexNextModel"]
    own = {"Role", "LoggingConfig", "Events", "Environment", "SnapStart"}
    assert {name: index[name] for name in index if name not in own} == {
        name: after[name] for name in after if name not in own
    }
