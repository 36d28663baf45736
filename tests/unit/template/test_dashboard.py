"""What template.yaml promises of the dashboard: it shows metrics that there are."""

import io
import json
import re
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from functions.index_images.handler import BatchReport
from functions.search.request_log import RequestLog
from tests.unit.template.dimensions import OF_SERVICE


@pytest.fixture
def widgets(resources) -> list[dict[str, Any]]:
    text, _ = resources["Operations"]["Properties"]["DashboardBody"]["Fn::Sub"]
    return json.loads(text)["widgets"]


@pytest.fixture
def shown(widgets) -> list[list[str]]:
    """Each line of the dashboard: namespace, metric, and dimensions with their values."""
    every = [line for each in widgets for line in each["properties"]["metrics"]]
    lines = [line for line in every if isinstance(line[0], str)]
    return [[part for part in line if isinstance(part, str)] for line in lines]


@pytest.fixture
def emitted(capsys) -> set[tuple[str, ...]]:
    """What the functions count: metric and dimensions."""
    logger = Logger(service="test", stream=io.StringIO())
    BatchReport(logger, EphemeralMetrics(namespace="imagesearch", service="a")).of([], [], [], 0.1)
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


def test_everything_that_the_dashboard_names_is_in_the_template(template, resources):
    text, names = resources["Operations"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name in re.findall(r"\$\{([\w:.]+)\}", text):
        root = name.split(".")[0]
        known = {*resources, *names, "AWS::Region", "AWS::StackName", "AWS::AccountId"}
        assert root in known, name
        assert "Condition" not in resources.get(root, {}), f"{name} is not always made"


def test_the_dashboard_names_dimensions_as_their_services_do(shown):
    for namespace, _, *dimensions in shown:
        if namespace.startswith("AWS/"):
            assert set(dimensions[::2]) == OF_SERVICE[namespace]


def test_the_dashboard_shows_metrics_that_the_functions_count(shown, emitted):
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


def test_no_widget_covers_another(widgets):
    places = [
        (x, y)
        for each in widgets
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
