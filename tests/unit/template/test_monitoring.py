"""Claims about alarms, runbook and dashboard: each problem has an alarm, each metric exists."""

import json
import re
from collections.abc import Callable
from typing import Any
from unittest.mock import create_autospec
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from functions.index_images.composition import build_handler as build_index_handler
from functions.search.composition import build_handler as build_search_handler
from functions.search.request_log import RequestLog
from functions.tune.handler import make_handler as make_tune_handler
from imagesearch.learning.tuning import Finding, Tuned
from imagesearch.learning.validation import HeldOut
from imagesearch.search.relevance import Modality
from imagesearch.settings import Settings
from tests.support.handlers import CONTEXT, http
from tests.support.paths import REPOSITORY, STARTER_MODEL
from tests.unit.template.conftest import OF_SERVICE

ROOT = REPOSITORY
WATCHED = {
    "ImagesNotIndexed": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "UploadsWait": ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
    "IndexImagesFails": ("AWS/Lambda", "Errors"),
    "IndexNextModelFails": ("AWS/Lambda", "Errors"),
    "BackfillFails": ("AWS/States", "ExecutionsFailed"),
    "ReconciliationFails": ("AWS/States", "ExecutionsFailed"),
    "TuneFails": ("AWS/Lambda", "AsyncEventsDropped"),
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
    for name in ("IndexImages", "IndexNextModel", "Search", "Backfill", "Reconciliation", "Tune"):
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
def lines(widgets) -> list[list[Any]]:
    """The lines of the dashboard's metrics."""
    return [line for each in widgets for line in each["properties"].get("metrics", [])]


@pytest.fixture
def shown(lines) -> list[list[str]]:
    """Namespace, metric, and dimensions with values of each dashboard line."""
    named = [line for line in lines if isinstance(line[0], str)]
    return [[part for part in line if isinstance(part, str)] for line in named]


@pytest.fixture
def written(capsys, tmp_path) -> Callable[[str], list[dict[str, Any]]]:
    """The log lines of one batch and one request to the functions of a stack."""

    def written(stack: str) -> list[dict[str, Any]]:
        settings = Settings(
            bucket=tmp_path.as_uri(),
            index_url=f"sqlite://{tmp_path}/index.db",
            model_uri=str(STARTER_MODEL),
            stack_name=stack,
        )
        capsys.readouterr()
        build_index_handler(settings, FakeIndexer())({"Records": []}, CONTEXT)
        build_search_handler(settings, None)(http("GET", "/nothing"), CONTEXT)
        metrics = EphemeralMetrics(
            namespace="imagesearch", service="tune", default_dimensions={"stack": stack}
        )
        make_tune_handler(FakeTuner(), Logger(service=uuid4().hex), metrics)({}, CONTEXT)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return written


class FakeTuner:
    """A tuner that found nothing to adopt."""

    def opinions(self):
        return []

    def run(self, opinions, now):
        test = HeldOut(12, 0.5, 0.5, 0.1)
        return Tuned([Finding(Modality.TEXT, 40, 12, test, (0.9, 0.9), None)], None)


class FakeIndexer:
    """An indexer for no image."""


def metrics_of(lines: list[dict[str, Any]]) -> dict[tuple[str, ...], dict[str, str]]:
    """The values of the dimensions of each metric, by its name and its dimensions."""
    found = {}
    for line in lines:
        for each in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert each["Namespace"] == "imagesearch"
            (dimensions,) = each["Dimensions"]
            for name in each["Metrics"]:
                values = {dimension: line[dimension] for dimension in dimensions}
                found[name["Name"], *sorted(dimensions)] = values
    return found


@pytest.fixture
def emitted(written) -> set[tuple[str, ...]]:
    """Name and dimensions of each metric of the functions."""
    return set(metrics_of(written("imagesearch")))


def test_the_metrics_of_two_stacks_are_apart(written, template, lines):
    for stack in ("photos", "photos-test"):
        of_stack = metrics_of(written(stack))
        assert len(of_stack) > 5
        assert {values["stack"] for values in of_stack.values()} == {stack}
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["STACK_NAME"] == {"Ref": "AWS::StackName"}
    for line in lines:
        if line[0] == "imagesearch":
            assert line[2:4] == ["stack", "${AWS::StackName}"]
        if isinstance(line[0], dict):
            assert line[0]["expression"].count('stack="${AWS::StackName}"') == 1


def test_a_metric_has_no_dimension_with_many_values(emitted):
    """Each combination of values is billed: a route and its error codes would be hundreds."""
    assert {"queries", "route", "service", "stack"} == {
        name for _, *names in emitted for name in names
    }


def test_the_dashboard_reads_error_codes_from_the_log_of_search(widgets):
    [query] = [each["properties"]["query"] for each in widgets if each["type"] == "log"]
    assert query.startswith("SOURCE '${SearchLog}' | ")
    logger = create_autospec(Logger, instance=True)
    log = RequestLog(logger, EphemeralMetrics(namespace="a"))
    log.begin("request")
    log.add(route="/v1/search", code="invalid_text")
    log.end(400)
    [call] = logger.info.call_args_list
    line = {"message": call.args[0], **call.kwargs}
    for field, value in {"message": "request", "status": 400}.items():
        assert re.search(rf"filter .*\b{field}\b", query)
        assert line[field] == value
    assert {"route", "code"} <= line.keys()
    assert "by route, code" in query


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


def test_the_dashboard_searches_by_the_dimensions_of_a_request(lines, emitted):
    (search,) = [line[0]["expression"] for line in lines if isinstance(line[0], dict)]
    schema, name = re.match(
        r"SEARCH\('\{imagesearch,([\w,]+)\} MetricName=\"(\w+)\"", search
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


def test_the_dashboard_shows_the_tuning_of_both_modalities(shown):
    own = {(line[1], line[-1]) for line in shown if "tune" in line}
    metrics = ("MrrBefore", "MrrAfter", "Opinions", "Adopted")
    assert own == {(metric, queries) for metric in metrics for queries in ("text", "image")}


def test_the_dashboard_shows_what_becomes_of_dead_letters(shown):
    names = {name for _, name, *rest in shown if "${DeadLetterQueue.QueueName}" in rest}
    assert names == {
        "ApproximateNumberOfMessagesVisible",
        "ApproximateAgeOfOldestMessage",
        "NumberOfMessagesSent",
        "NumberOfMessagesDeleted",
    }


def test_widgets_do_not_overlap(widgets):
    places = [
        (x, y)
        for each in widgets
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
