"""What template.yaml promises an operator: an alarm and a line of the runbook for each trouble."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.template.dimensions import OF_SERVICE

ROOT = Path(__file__).parents[3]
WATCHED = {
    "ImagesNotIndexed": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "UploadsWait": ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
    "IndexImagesFails": ("AWS/Lambda", "Errors"),
    "IndexNextModelFails": ("AWS/Lambda", "Errors"),
    "BackfillFails": ("AWS/States", "ExecutionsFailed"),
    "SearchFails": ("AWS/Lambda", "Errors"),
    "SearchUnavailable": ("AWS/ApiGateway", "5XXError"),
    "SearchSlow": ("AWS/ApiGateway", "Latency"),
    "ClusterRed": ("AWS/ES", "ClusterStatus.red"),
    "ClusterWritesBlocked": ("AWS/ES", "ClusterIndexWritesBlocked"),
    "ClusterStorageLow": ("AWS/ES", "FreeStorageSpace"),
    "ClusterMemoryTight": ("AWS/ES", "JVMMemoryPressure"),
}


@pytest.fixture
def alarms(of_type) -> dict[str, Any]:
    return of_type("AWS::CloudWatch::Alarm")


def metric(alarm: dict[str, Any]) -> dict[str, Any]:
    """What an alarm watches; one that calculates says it among its metrics."""
    found = [
        each["MetricStat"]["Metric"]
        for each in alarm.get("Metrics", [])
        if "Expression" not in each
    ]
    return found[0] if found else alarm


def test_each_trouble_has_its_alarm(alarms):
    watched = {name: metric(each) for name, each in alarms.items()}
    assert {
        name: (each["Namespace"], each["MetricName"]) for name, each in watched.items()
    } == WATCHED


def test_an_alarm_names_the_dimensions_that_its_service_has(alarms):
    for alarm in alarms.values():
        watched = metric(alarm)
        assert {each["Name"] for each in watched["Dimensions"]} == OF_SERVICE[watched["Namespace"]]


def test_an_alarm_watches_what_its_name_says(alarms):
    values = {name: metric(each)["Dimensions"][0]["Value"] for name, each in alarms.items()}
    assert values["ImagesNotIndexed"] == {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}
    assert values["UploadsWait"] == {"Fn::GetAtt": ["ImageQueue", "QueueName"]}
    for name in ("IndexImages", "IndexNextModel", "Search", "Backfill"):
        assert values[f"{name}Fails"] == {"Ref": name}
    for name in values:
        if name.startswith("Cluster"):
            assert values[name] == {"Ref": "ImageIndex"}


def test_the_first_dead_letter_raises_the_alarm(alarms):
    alarm = alarms["ImagesNotIndexed"]
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (1, 1)


def test_a_delay_that_one_retry_explains_raises_none(alarms, template):
    """A failed image is tried again after the visibility timeout."""
    default = template["Parameters"]["IndexTimeoutSeconds"]["Default"]
    assert (
        alarms["UploadsWait"]["Threshold"]
        > 2 * template["Mappings"]["VisibilityTimeout"][default]["Seconds"]
    )


def test_storage_is_told_of_before_the_service_blocks_writes(alarms):
    alarm = alarms["ClusterStorageLow"]
    assert alarm["ComparisonOperator"] == "LessThanThreshold"
    assert alarm["Threshold"] > 20


def test_somebody_is_told_of_every_alarm_and_of_its_end(alarms):
    told = {"Fn::If": ["TellsSomebody", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == told
        assert alarm["TreatMissingData"] == "notBreaching"


def test_the_runbook_says_what_to_do_at_every_alarm(alarms):
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert set(rows) == set(alarms)
    assert all("docs/operations.md" in alarm["AlarmDescription"] for alarm in alarms.values())
