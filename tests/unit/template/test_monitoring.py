"""Claims about alarms, runbook and dashboard: each problem has an alarm, each metric exists."""

import io
import json
import re
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from functions.index_images.handler import BatchReport
from functions.search.request_log import RequestLog
from tests.support.paths import REPOSITORY
from tests.unit.template.conftest import OF_SERVICE

ROOT = REPOSITORY
WATCHED = {
    "ImagesNotIndexed": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "UploadsWait": ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
    "IndexImagesFails": ("AWS/Lambda", "Errors"),
    "IndexNextModelFails": ("AWS/Lambda", "Errors"),
    "BackfillFails": ("AWS/States", "ExecutionsFailed"),
    "ReconciliationFails": ("AWS/States", "ExecutionsFailed"),
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
    """The metric of an alarm, or of its expression."""
    found = [
        each["MetricStat"]["Metric"]
        for each in alarm.get("Metrics", [])
        if "Expression" not in each
    ]
    return found[0] if found else alarm


def test_each_failure_mode_has_its_alarm(alarms):
    watched = {name: metric(each) for name, each in alarms.items()}
    assert {
        name: (each["Namespace"], each["MetricName"]) for name, each in watched.items()
    } == WATCHED


def test_an_alarm_names_the_dimensions_that_its_service_has(alarms):
    for alarm in alarms.values():
        watched = metric(alarm)
        assert {each["Name"] for each in watched["Dimensions"]} == OF_SERVICE[watched["Namespace"]]


def test_an_alarm_uses_the_metric_of_its_name(alarms):
    values = {name: metric(each)["Dimensions"][0]["Value"] for name, each in alarms.items()}
    assert values["ImagesNotIndexed"] == {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}
    assert values["UploadsWait"] == {"Fn::GetAtt": ["ImageQueue", "QueueName"]}
    for name in ("IndexImages", "IndexNextModel", "Search", "Backfill", "Reconciliation"):
        assert values[f"{name}Fails"] == {"Ref": name}
    for name in values:
        if name.startswith("Cluster"):
            assert values[name] == {"Ref": "ImageIndex"}


def test_the_first_dead_letter_raises_the_alarm(alarms):
    alarm = alarms["ImagesNotIndexed"]
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (1, 1)


def test_a_delay_of_one_retry_raises_no_alarm(alarms, template):
    """A failed image is retried after the visibility timeout."""
    default = template["Parameters"]["IndexTimeoutSeconds"]["Default"]
    assert (
        alarms["UploadsWait"]["Threshold"]
        > 2 * template["Mappings"]["VisibilityTimeout"][default]["Seconds"]
    )


def test_low_storage_raises_an_alarm_before_the_service_blocks_writes(alarms):
    alarm = alarms["ClusterStorageLow"]
    assert alarm["ComparisonOperator"] == "LessThanThreshold"
    assert alarm["Threshold"] > 20


def test_every_alarm_notifies_on_alarm_and_ok(alarms):
    actions = {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == actions
        assert alarm["TreatMissingData"] == "notBreaching"


def test_the_runbook_covers_every_alarm(alarms):
    rows = re.findall(
        r"^\| `(\w+)` \|", (ROOT / "docs/how-to/operate.md").read_text(), re.MULTILINE
    )
    assert set(rows) == set(alarms)
    assert all("docs/how-to/operate.md" in alarm["AlarmDescription"] for alarm in alarms.values())


@pytest.fixture
def widgets(resources) -> list[dict[str, Any]]:
    text, _ = resources["Operations"]["Properties"]["DashboardBody"]["Fn::Sub"]
    return json.loads(text)["widgets"]


@pytest.fixture
def shown(widgets) -> list[list[str]]:
    """Namespace, metric, and dimensions with values of each dashboard line."""
    every = [line for each in widgets for line in each["properties"]["metrics"]]
    lines = [line for line in every if isinstance(line[0], str)]
    return [[part for part in line if isinstance(part, str)] for line in lines]


@pytest.fixture
def emitted(capsys) -> set[tuple[str, ...]]:
    """Name and dimensions of each metric of the functions."""
    logger = Logger(service="test", stream=io.StringIO())
    BatchReport(logger, EphemeralMetrics(namespace="imagesearch", service="a")).write(
        [], [], [], 0.1
    )
    log = RequestLog(logger, EphemeralMetrics(namespace="imagesearch", service="b"))
    log.begin("request")
    log.end(200)
    found = set()
    for line in capsys.readouterr().out.splitlines():
        for each in json.loads(line)["_aws"]["CloudWatchMetrics"]:
            assert each["Namespace"] == "imagesearch"
            for name in each["Metrics"]:
                found.add((name["Name"], *sorted(each["Dimensions"][0])))
    return found


def test_every_resource_of_the_dashboard_is_in_the_template(template, resources):
    text, names = resources["Operations"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name in re.findall(r"\$\{([\w:.]+)\}", text):
        root = name.split(".")[0]
        known = {*resources, *names, "AWS::Region", "AWS::StackName", "AWS::AccountId"}
        assert root in known, name
        assert "Condition" not in resources.get(root, {}), f"{name} is not always made"


def test_the_dashboard_uses_the_dimensions_of_the_services(shown):
    for namespace, _, *dimensions in shown:
        if namespace.startswith("AWS/"):
            assert set(dimensions[::2]) == OF_SERVICE[namespace]


def test_the_dashboard_shows_metrics_that_the_functions_emit(shown, emitted):
    own = [
        (name, *sorted(rest[::2])) for namespace, name, *rest in shown if namespace == "imagesearch"
    ]
    assert own
    assert set(own) <= emitted


def test_the_dashboard_searches_by_the_dimensions_of_a_request(widgets, emitted):
    (search,) = [
        line[0]["expression"]
        for each in widgets
        for line in each["properties"]["metrics"]
        if isinstance(line[0], dict)
    ]
    schema, name = re.match(
        r"SEARCH\('\{imagesearch,([\w,]+)\} MetricName=\"(\w+)\"'", search
    ).groups()
    assert (name, *sorted(schema.split(","))) in emitted


def test_the_dashboard_shows_queues_cluster_and_latency(shown):
    names = {name for _, name, *_ in shown}
    assert {
        "Indexed",
        "Rejected",
        "Failed",
        "Latency",
        "FreeStorageSpace",
        "CPUUtilization",
    } <= names
    assert {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"} <= names
    assert "ClusterStatus.red" in names


def test_widgets_do_not_overlap(widgets):
    places = [
        (x, y)
        for each in widgets
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
