"""The comparison of the bucket of a deployed system with its index, and the repair."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from imagesearch import bootstrap
from imagesearch.adapters.sqs import SqsQueue, SqsRecheckQueue
from imagesearch.domain.images import ImageRef
from imagesearch.indexing.comparison import Difference
from imagesearch.indexing.consistency import confirmed
from imagesearch.indexing.reconciliation import KeySender
from local.aws.clients import s3_location
from local.aws.deployment import Deployment, read_deployment
from local.errors import UsageError
from local.terminal.output import print_line
from local.verification.derived import add_derived
from local.verification.findings import Finding, Findings

POLL_SECONDS = 2.0
# A report is a day old or older: all that was written since differs from it.
MAX_RECHECKS_OF_INVENTORY = 100_000


def read_whole_bucket(
    target: str,
    stack: str,
    index_url: str | None,
    model: str | None,
    data_dir: Path,
    clients: Any = None,
) -> Deployment:
    """The deployment that indexes a bucket. Raises UsageError."""
    location = s3_location(target)
    if location.prefix:
        raise UsageError(f"verify compares a whole bucket: write s3://{location.bucket}")
    return read_deployment(stack, index_url, model, data_dir, clients, BucketName=location.bucket)


def verify_bucket(
    deployment: Deployment,
    console: Console,
    *,
    repair: bool,
    as_json: bool,
    inventory: str | None = None,
    thumbnails: bool = True,
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Print the differences of a bucket; True if there are none, after the repair if requested.

    A repair sends the keys to the queue of the indexing function and waits until it is empty. With
    `inventory`, the listing is that of a report of S3 Inventory.
    """
    sender = KeySender(SqsRecheckQueue(deployment.queue_url)) if repair else None
    compare = partial(
        compare_bucket, deployment, as_json=as_json, inventory=inventory, thumbnails=thumbnails
    )
    findings = compare(found=sender.add if sender else None)
    print_line(console, findings.summary())
    if not (sender and findings.counts):
        return not findings.counts
    sender.flush()
    wait_until_empty(deployment.queue_url, console, sleep)
    findings = compare()
    print_line(console, f"after the repair: {findings.summary()}")
    return not findings.counts


def compare_bucket(
    deployment: Deployment,
    *,
    as_json: bool,
    inventory: str | None = None,
    thumbnails: bool = True,
    found: Callable[[ImageRef], None] | None = None,
) -> Findings:
    """Print the differences, and call `found` with each image to repair."""
    settings = deployment.settings
    findings = Findings(settings.bucket, as_json)
    index = bootstrap.vector_index(settings)
    if inventory:
        from local.aws.inventory import InventoriedStore

        store = InventoriedStore(settings.bucket, inventory)
        compared_keys = confirmed(store, index, rechecks=MAX_RECHECKS_OF_INVENTORY)
    else:
        compared_keys = confirmed(bootstrap.image_store(settings), index)
    for compared in compared_keys:
        findings.compared += 1
        newer = Difference.CHANGED if compared.is_newer else None
        if difference := compared.difference or newer:
            findings.add(Finding(compared.ref, difference.value))
            if found:
                found(compared.ref)
    repair = found is not None
    for ref in add_derived(settings, findings, repair=repair, thumbnails=thumbnails):
        if found:
            found(ref)
    return findings


def wait_until_empty(
    queue_url: str, console: Console, sleep: Callable[[float], object] = time.sleep
) -> None:
    """Wait until the queue is empty at two requests in a row: its length is approximate."""
    queue = SqsQueue(queue_url)
    empty, printed = 0, ""
    while empty < 2:
        sleep(POLL_SECONDS)
        lag = queue.lag()
        waiting = lag.waiting + lag.in_flight
        empty = 0 if waiting else empty + 1
        line = f"{waiting:,} messages are waiting to be indexed"
        if waiting and line != printed:
            print_line(console, printed := line)
