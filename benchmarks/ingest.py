"""Ingest of images through a queue: two processes of the indexing function, S3 and SQS of moto.

Images per second, lost images and the memory of the workers, first and last. No connection leaves
this machine. INGEST_IMAGES sets the number of images; progress is written to standard error.

Images are uploaded while the workers run, so that at most MAX_WAITING messages wait: moto scans the
messages of a queue at each request.
"""

import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import psutil
from PIL import Image

from benchmarks.report import Row
from benchmarks.workbench import REPOSITORY, SAMPLES, STARTER_MODEL
from imagesearch.adapters.s3.image_store import S3Store
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.bootstrap import index_name
from imagesearch.indexing.consistency import check_consistency
from imagesearch.settings import Settings

IMAGES = int(os.environ.get("INGEST_IMAGES", "20000"))
WORKERS, SIZE = 2, 256
BUCKET, DERIVED = "photos", "derived"
TITLE = f"ingest of {IMAGES:,} images, {WORKERS} workers"
MAX_WAITING, UPLOAD_SIZE = 500, 100
PAUSE_SECONDS, PROGRESS_SECONDS = 2.0, 10.0
MAX_SECONDS_PER_IMAGE = 2.0
_WORKER = """
import os, time, boto3
from functions.index_images.app import handler
from local.lambda_runtime import LambdaContext
sqs, url = boto3.client("sqs"), os.environ["QUEUE_URL"]
parent = os.getppid()
while os.getppid() == parent:
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    if not found:
        time.sleep(0.2)
        continue
    records = [
        {"eventSource": "aws:sqs", "messageId": each["MessageId"], "body": each["Body"]}
        for each in found
    ]
    answer = handler({"Records": records}, LambdaContext("index_images"))
    failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
    for each in found:
        if each["MessageId"] not in failed:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
"""


def measure(count: int = IMAGES) -> Iterator[Row]:
    """Rows of rate, losses and memory."""
    from tests.support.servers.moto_server import moto_server

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingest-")))
        url = stack.enter_context(moto_server())
        environment = _environment(url, folder)
        os.environ.update(environment)
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        queue = _queue(s3, sqs)
        workers = [
            _worker(environment | {"QUEUE_URL": queue}, folder / f"worker-{number}.log")
            for number in range(WORKERS)
        ]
        for worker in workers:
            stack.callback(_end, worker)
        yield from _watched(_uploads(s3, count), sqs, queue, workers, count)
        settings = Settings.from_environment(environment)
        index = SqliteIndex(folder / "index.db", index_name(settings), _dimension(folder))
        stack.callback(index.close)
        found = check_consistency(S3Store(BUCKET, s3), index)
        yield Row(
            "images in the index",
            f"{found.indexed:,} of {count:,}",
            f"{found.rejected} rejected, {found.pending.count} missing",
        )


def _watched(
    uploads: Iterator[int],
    sqs: Any,
    queue: str,
    workers: list["subprocess.Popen[bytes]"],
    count: int,
) -> Iterator[Row]:
    """Upload all images and wait until the queue is empty. Raises TimeoutError."""
    started = printed = time.perf_counter()
    uploaded, memory = 0, []
    while (waiting := _waiting(sqs, queue)) or uploaded < count:
        now = time.perf_counter()
        if now - started > count * MAX_SECONDS_PER_IMAGE or any(each.poll() for each in workers):
            raise TimeoutError(f"{waiting} messages are left after {now - started:.0f} s")
        if uploaded > waiting:  # the models are loaded
            memory.append(sum(_megabytes(worker) for worker in workers))
        if now - printed >= PROGRESS_SECONDS:
            printed = now
            _print_progress(uploaded - waiting, count, now - started, memory)
        if uploaded < count and waiting < MAX_WAITING:
            uploaded = max(islice(uploads, UPLOAD_SIZE))
        else:
            time.sleep(PAUSE_SECONDS)
    seconds = time.perf_counter() - started
    yield Row("indexing", f"{count / seconds:,.1f} images/s", f"{SIZE} px JPEG, with start-up")
    tenth = max(1, len(memory) // 10)
    first, last = (np.mean(part) if part else 0 for part in (memory[:tenth], memory[-tenth:]))
    yield Row(
        "memory of the workers with their decoders",
        f"{last:,.0f} MB",
        f"{first:,.0f} MB in the first tenth, {max(memory, default=0):,.0f} MB at most",
    )


def _print_progress(done: int, count: int, seconds: float, memory: list[float]) -> None:
    """Such as `1,200 of 20,000 images in 300 s, 4.0 a second; workers: 830 MB`."""
    text = f"{done:,} of {count:,} images in {seconds:,.0f} s, {done / seconds:.1f} a second"
    workers = f"; workers: {memory[-1]:,.0f} MB" if memory else ""
    print(text + workers, file=sys.stderr, flush=True)


def _uploads(s3: Any, count: int) -> Iterator[int]:
    """Upload images one by one; yields the number of uploaded images."""
    for number, data in enumerate(_images(count)):
        s3.put_object(Bucket=BUCKET, Key=f"{number % 100:02}/{number:06}.jpg", Body=data)
        yield number + 1


def _environment(url: str, folder: Path) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "BUCKET": BUCKET,
        "DERIVED_URI": f"s3://{DERIVED}",
        "INDEX_URL": f"sqlite://{folder}/index.db",
        "MODEL_URI": str(STARTER_MODEL),
        "POWERTOOLS_METRICS_NAMESPACE": "imagesearch",
        "LOG_LEVEL": "WARNING",
    }


def _queue(s3: Any, sqs: Any) -> str:
    """A queue with the events of a new bucket."""
    for bucket in (BUCKET, DERIVED):
        s3.create_bucket(Bucket=bucket)
    attributes = {"VisibilityTimeout": "600"}
    url: str = sqs.create_queue(QueueName="images", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    target = {"QueueArn": arn["Attributes"]["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [target]}
    )
    return url


def _waiting(sqs: Any, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(number) for number in found.values())


def _images(count: int) -> Iterator[bytes]:
    """Different JPEG files: crops of the samples with some noise."""
    samples = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.rglob("*.webp"))]
    random = np.random.default_rng(3)
    for number in range(count):
        image = np.asarray(samples[number % len(samples)].resize((SIZE, SIZE)), np.int16)
        noisy = np.clip(image + random.integers(-4, 5, image.shape), 0, 255)
        file = io.BytesIO()
        Image.fromarray(noisy.astype(np.uint8)).save(file, "JPEG", quality=85)
        yield file.getvalue()


def _worker(environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", _WORKER],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _end(worker: "subprocess.Popen[bytes]") -> None:
    worker.terminate()
    worker.wait()


def _megabytes(worker: "subprocess.Popen[bytes]") -> float:
    """Resident memory of a worker with its decoder processes."""
    process = psutil.Process(worker.pid)
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in family if each.is_running()) / 2**20


def _dimension(folder: Path) -> int:
    from imagesearch.adapters.sqlite.database import index_dimensions

    return next(iter(index_dimensions(folder / "index.db").values()))
