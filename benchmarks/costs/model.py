"""The cost of a deployment per service, from the template's parameters, figures and prices.

Each row states its formula. A month has 730 hours; GB are 10^9 bytes, GiB of memory 2^30.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from benchmarks.costs.prices import FOLDER, usd
from docs.reference_pages.sources import read_text

HOURS = 730
SECONDS = HOURS * 3600
MILLION, GB, GIB = 1e6, 1e9, 2**30
HITS = 10
BATCH = 10
# Share of the vCPUs that searches may use, and of a node's memory outside the heap for vectors.
CPU_SHARE, MEMORY_SHARE = 0.5, 0.8
MAX_HEAP_GIB = 32
# Searches per second from which on the domain has a second node.
STANDBY_FROM = 10
MEASURED_IMAGES, SHARD_IMAGES, MAX_NODES = 100_000, 10_000_000, 3
CORE_MB = 1769
# Lambda polls each queue with five requests of 20 seconds.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
POLLERS, POLL_SECONDS, QUEUES = 5, 20, 2
# X-Ray records one request a second and 5 % of the others.
# https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html
TRACES_A_SECOND, TRACED_SHARE = 1, 0.05
TIER_GB = 10_000
MONTH_DAYS = 30
# Conditions of the template that a stack with the default parameters does not meet.
OFF_BY_DEFAULT = ("HasNextModel", "Tunes")


@dataclass(frozen=True, slots=True)
class Node:
    """An instance type; a burstable one has the baseline of its vCPUs."""

    name: str
    gib: float
    vcpus: float
    price: str

    @property
    def vector_bytes(self) -> float:
        return MEMORY_SHARE * (self.gib - min(self.gib / 2, MAX_HEAP_GIB)) * GIB


# Memory and vCPUs: https://docs.aws.amazon.com/opensearch-service/latest/developerguide/supported-instance-types.html
# t3.small has a baseline of 20 % of two vCPUs: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html
BURSTABLE = Node("t3.small", 2, 0.4, "opensearch_t3_small_hour")
NODES = (
    BURSTABLE,
    Node("r6g.large", 16, 2, "opensearch_r6g_large_hour"),
    Node("r6g.2xlarge", 64, 8, "opensearch_r6g_2xlarge_hour"),
    Node("r6g.4xlarge", 128, 16, "opensearch_r6g_4xlarge_hour"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """The cost of a service in USD, with its formula in words."""

    service: str
    formula: str
    dollars: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Prices and figures by name, and the parameters and alarms of the template."""

    prices: Mapping[str, float]
    figures: Mapping[str, float]
    index_mb: int
    search_mb: int
    alarms: int
    secrets: int
    volume_gib: int
    noncurrent_days: int

    @classmethod
    def load(cls) -> "Inputs":
        template = load_template()
        default = {name: each.get("Default") for name, each in template["Parameters"].items()}
        always = [
            each["Type"]
            for each in template["Resources"].values()
            if each.get("Condition") not in OFF_BY_DEFAULT
        ]
        return cls(
            usd(),
            {name: float(each[0]) for name, each in load_figures().items()},
            int(default["IndexMemoryMB"]),
            int(default["SearchMemoryMB"]),
            always.count("AWS::CloudWatch::Alarm"),
            always.count("AWS::SecretsManager::Secret"),
            int(default["OpenSearchVolumeGiB"]),
            int(default["NoncurrentVersionDays"]),
        )


def load_figures() -> dict[str, Any]:
    """Value, meaning and source of each figure."""
    return dict(json.loads((FOLDER / "figures.json").read_text("utf-8")))


def load_template() -> dict[str, Any]:
    """template.yaml, with its intrinsic functions as plain values."""

    class Loader(yaml.SafeLoader):
        pass

    def plain(loader: Loader, _: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return node.value

    Loader.add_multi_constructor("!", plain)
    return dict(yaml.load(read_text("template.yaml"), Loader))  # noqa: S506 - a SafeLoader


def search_ms(inputs: Inputs, images: int) -> float:
    """Milliseconds of one core for a search in the index."""
    figures = inputs.figures
    steps = max(0.0, math.log(images / MEASURED_IMAGES, 5))
    return figures["search_ms"] * math.pow(figures["search_growth"], steps)


def domain(inputs: Inputs, images: int, searches: float) -> tuple[Node, int, float]:
    """The cheapest node type, number of nodes and GiB of each volume that fit.

    A shard is not divided among nodes.
    """
    copies, shards = 2 if searches >= STANDBY_FROM else 1, math.ceil(images / SHARD_IMAGES)
    memory = images * inputs.figures["memory_bytes"] * copies
    vcpus = searches * search_ms(inputs, images) / 1000 / CPU_SHARE
    disk = images * inputs.figures["disk_bytes"] * copies * inputs.figures["disk_factor"]
    fitting = [
        (inputs.prices[node.price] * count, node, count)
        for node in NODES
        for count in range(copies, min(MAX_NODES, shards * copies) + 1)
        if not (node is BURSTABLE and copies > 1)
        if count * node.vector_bytes >= memory and count * node.vcpus >= vcpus
    ]
    _, node, count = min(fitting, key=lambda each: each[0])
    return node, count, max(inputs.volume_gib, math.ceil(disk / count / GIB))


def monthly(inputs: Inputs, images: int, searches: float) -> Iterator[Row]:
    """The rows of a month with this many images and searches per second, without thumbnails."""
    price, figure = inputs.prices, inputs.figures
    requests = searches * SECONDS
    node, nodes, volume = domain(inputs, images, searches)
    yield Row(
        "OpenSearch nodes",
        "nodes × hourly price × 730",
        nodes * price[node.price] * HOURS,
        f"{nodes} {node.name}",
    )
    yield Row(
        "OpenSearch volumes",
        "nodes × GiB of a volume × price",
        nodes * volume * price["opensearch_gp3_gb_month"],
        f"{nodes * volume} GiB",
    )
    yield Row("API Gateway", "requests × price", requests / MILLION * price["api_million_requests"])
    ms = figure["text_ms"] + figure["handler_ms"] + search_ms(inputs, images)
    gb_seconds = requests * math.ceil(ms) / 1000 * inputs.search_mb / 1024
    yield Row(
        "Lambda, search",
        "requests × (price + ms, rounded up, × SearchMemoryMB × price of a GB-second); ms = text"
        " + handler + search in the index",
        requests / MILLION * price["lambda_million_requests"]
        + gb_seconds * price["lambda_gb_second"],
        f"{math.ceil(ms)} ms",
    )
    cached = (inputs.index_mb + inputs.search_mb) / 1024
    yield Row(
        "SnapStart, snapshots",
        "(IndexMemoryMB + SearchMemoryMB) × seconds of a month × price",
        cached * SECONDS * price["snapstart_cache_gb_second"],
    )
    functions = math.ceil(searches * ms / 1000 / CPU_SHARE)
    restores = functions * figure["restores_an_hour"] * HOURS
    yield Row(
        "SnapStart, starts",
        "concurrent functions × starts an hour × 730 × SearchMemoryMB × price; concurrent functions"
        " = searches a second × ms / 50 %",
        restores * inputs.search_mb / 1024 * price["snapstart_restore_gb"],
    )
    yield Row(
        "S3, images",
        "images × bytes × price",
        images * figure["image_bytes"] / GB * price["s3_gb_month"],
    )
    yield Row(
        "S3, old versions",
        "images × share overwritten or deleted in a month × NoncurrentVersionDays / 30 × bytes ×"
        " price",
        images
        * figure["changed_share"]
        * inputs.noncurrent_days
        / MONTH_DAYS
        * figure["image_bytes"]
        / GB
        * price["s3_gb_month"],
    )
    yield Row(
        "S3, thumbnails",
        "images × bytes of a small and a large thumbnail × price",
        images
        * (figure["thumbnail_bytes"] + figure["large_thumbnail_bytes"])
        / GB
        * price["s3_gb_month"],
    )
    polls = QUEUES * POLLERS * SECONDS / POLL_SECONDS
    yield Row(
        "SQS, polling",
        "2 queues × 5 pollers × seconds of a month / 20 × price",
        polls / MILLION * price["sqs_million_requests"],
    )
    yield Row(
        "Secrets Manager", "secrets of the template × price", inputs.secrets * price["secret_month"]
    )
    logged = figure["search_log_bytes"] + figure["access_log_bytes"]
    yield Row(
        "CloudWatch, logs",
        "requests × (bytes in the log + bytes in the access log) × price",
        requests * logged / GB * price["logs_gb"],
    )
    yield Row(
        "CloudWatch, metrics and alarms",
        "series × price + alarms of the template × price",
        figure["series"] * price["metric_month"] + inputs.alarms * price["alarm_month"],
    )
    traces = min(searches, TRACES_A_SECOND) + max(0, searches - TRACES_A_SECOND) * TRACED_SHARE
    yield Row(
        "X-Ray",
        "(1 a second + 5 % of the others) × price",
        traces * SECONDS / MILLION * price["xray_million_traces"],
    )
    yield Row(
        "Data out, responses",
        "requests × bytes of a response × price",
        _data_out(inputs, requests * figure["response_bytes"]),
    )


def idle(inputs: Inputs) -> float:
    """USD of a month with the default domain, no image and no search."""
    always = ("OpenSearch", "SnapStart, snapshots", "SQS", "Secrets")
    rows = [each for each in monthly(inputs, 1, 0) if each.service.startswith(always)]
    return sum(each.dollars for each in rows) + inputs.alarms * inputs.prices["alarm_month"]


def shown_thumbnails(inputs: Inputs, searches: float) -> Iterator[Row]:
    """The additional rows of a month if each search shows the thumbnails of ten hits."""
    price, figure = inputs.prices, inputs.figures
    requests = searches * SECONDS
    yield Row(
        "S3, thumbnails shown",
        "requests × 10 × price of a GET",
        requests * HITS / MILLION * price["s3_million_gets"],
    )
    response, thumbnails = figure["response_bytes"], HITS * figure["thumbnail_bytes"]
    yield Row(
        "Data out, thumbnails shown",
        "requests × 10 × bytes of a thumbnail × price",
        _data_out(inputs, requests * (response + thumbnails))
        - _data_out(inputs, requests * response),
    )


def indexing(inputs: Inputs, images: int) -> Iterator[Row]:
    """The rows of indexing this many uploaded images once."""
    price, figure = inputs.prices, inputs.figures
    seconds = figure["index_core_ms"] / 1000 * CORE_MB / inputs.index_mb
    gb_seconds = images * seconds * inputs.index_mb / 1024
    yield Row(
        "Lambda, indexing",
        "images / 10 × price + images × ms of one core × 1,769 MB × price of a GB-second",
        images / BATCH / MILLION * price["lambda_million_requests"]
        + gb_seconds * price["lambda_gb_second"],
    )
    yield Row(
        "S3, requests",
        "images × (3 × price of a GET or HEAD + 2 × price of the PUT of a thumbnail)",
        images / MILLION * (3 * price["s3_million_gets"] + 2 * price["s3_million_puts"]),
    )
    yield Row(
        "SQS and EventBridge",
        "images × (1 send + receive and delete of a tenth) × price + events × price",
        images
        / MILLION
        * ((1 + 2 / BATCH) * price["sqs_million_requests"] + price["eventbridge_million_events"]),
    )
    yield Row(
        "CloudWatch, logs",
        "images / 10 × bytes in the log × price",
        images / BATCH * figure["index_log_bytes"] / GB * price["logs_gb"],
    )


def _data_out(inputs: Inputs, bytes: float) -> float:
    """Price of data out to the internet, in two tiers; the free 100 GB are not deducted."""
    gb = bytes / GB
    first = min(gb, TIER_GB)
    later = gb - first
    return first * inputs.prices["data_out_gb"] + later * inputs.prices["data_out_gb_over_10_tb"]
