"""Dollars per million, from measured seconds and list prices (us-east-1; docs/deploy.md)."""

from collections.abc import Mapping

from benchmarks.report import Row

GB_SECOND = 0.0000166667
# HEAD, GET and HEAD again.
S3_REQUESTS = 3 * 0.40
# EventBridge sends each message; ten are received and deleted at once.
SQS_REQUESTS = 1.2 * 0.40
API_REQUEST = 3.50
# Lambda gives one core at so much memory, and more of both in proportion.
CORE_MB = 1769
WAIT_MS = 10


def rows(image_seconds: Mapping[int, float], text_seconds: Mapping[int, float]) -> list[Row]:
    """Both are seconds by the number of cores."""
    return [
        _row("a million images indexed", image_seconds, S3_REQUESTS + SQS_REQUESTS, "S3 and SQS"),
        _row("a million text queries", text_seconds, API_REQUEST, "the REST API"),
    ]


def compute_dollars(seconds: float, cores: int) -> float:
    """Lambda's price for a million times so many seconds."""
    return seconds * cores * CORE_MB / 1024 * GB_SECOND * 1e6


def _row(what: str, seconds: Mapping[int, float], requests: float, of: str) -> Row:
    figures = [
        f"${compute_dollars(each, cores) + requests:.2f} at {cores * CORE_MB:,} MB"
        f" ({1000 * each:.1f} ms)"
        for cores, each in seconds.items()
    ]
    waiting = compute_dollars(WAIT_MS / 1000, 1)
    how = (
        f"${requests:.2f} of it for {of}; every {WAIT_MS} ms of waiting for the index or S3 add"
        f" ${waiting:.2f} at {CORE_MB:,} MB"
    )
    return Row(f"cost of {what}", ", ".join(figures), how)
