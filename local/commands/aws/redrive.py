"""`imagesearch redrive`: move dead letters of a deployed system to the queues that they fit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local.errors import Interrupted, UsageError
from local.options import INCOMPLETE, Json

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_MAX = 1000
# Messages are hidden from other receivers while this command works on them.
HIDDEN_SECONDS = 900
# Long polling asks all servers of SQS: an empty response means that the queue is empty.
WAIT_SECONDS = 5
BATCH = 10
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
SOURCE = "DeadLetterQueueSourceArn"
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
TARGET = "TARGET_ARN"


def redrive(
    stack: Annotated[str, typer.Option(help="Name of the deployed stack.")] = "imagesearch",
    max_messages: Annotated[
        int, typer.Option("--max", min=1, max=100_000, help="Maximum number of messages to move.")
    ] = DEFAULT_MAX,
    yes: Annotated[
        bool, typer.Option("--yes", help="Move the messages; without it, only count them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Move dead letters to the queues that they fit, after the cause has been fixed.

    Without --yes, print what would be moved. A message that no queue fits stays in the dead-letter
    queue and is printed with the reason.
    """
    from rich.console import Console

    from local.aws.clients import aws_client, aws_errors_as_usage_errors, stack_outputs

    queues = Queues.of_stack(stack, stack_outputs(stack, aws_client("cloudformation")))
    report = RedriveReport()
    try:
        with aws_errors_as_usage_errors("cannot move the dead letters"):
            redriving = Redrive(queues, aws_client("sqs"), move=yes, wait_seconds=WAIT_SECONDS)
            redriving.run(max_messages, report)
    except KeyboardInterrupt as stopped:
        raise Interrupted("Stopped. Each message is in one of the queues.") from stopped
    finally:
        _print(report, yes, Console(stderr=True), as_json)
    if report.unplaced:
        raise typer.Exit(INCOMPLETE)


class Destination(StrEnum):
    """The queues of dead letters, in the words of the report."""

    IMAGES = "image queue"
    BACKFILL = "backfill queue"
    NEXT_MODEL = "next model's queue"


@dataclass(frozen=True, slots=True)
class Queues:
    """The URLs of a stack's queues, and its bucket; `next_model` is None without a next model."""

    bucket: str
    dead_letters: str
    images: str
    backfill: str
    next_model: str | None

    @classmethod
    def of_stack(cls, stack: str, outputs: Mapping[str, str]) -> Queues:
        """Raises UsageError for a stack without these outputs."""
        try:
            return cls(
                outputs["BucketName"],
                outputs["DeadLetterQueueUrl"],
                outputs["QueueUrl"],
                outputs["BackfillQueueUrl"],
                outputs.get("NextModelQueueUrl"),
            )
        except KeyError as missing:
            raise UsageError(
                f"the stack {stack} has no output {missing}: name another stack with --stack"
            ) from missing

    def url(self, destination: Destination) -> str:
        urls = {Destination.IMAGES: self.images, Destination.BACKFILL: self.backfill}
        return urls.get(destination) or self.next_model or self.backfill

    def is_next_model(self, arn: str) -> bool:
        """True for the ARN of the next model's queue; its last part is the name, as in the URL."""
        name = (self.next_model or "").rpartition("/")[2]
        return bool(name) and arn.rpartition(":")[2] == name


class Unplaceable(Exception):
    """No queue fits the message; the text is the reason."""


def destination(message: Mapping[str, Any], queues: Queues) -> Destination:
    """The queue for a received message. Raises Unplaceable.

    A message of the next model's queue, or of EventBridge for it, returns there. Otherwise the form
    decides: messages of several keys go to the backfill queue, whose batches have one message.
    """
    from functions.index_images.events import read_event

    body = message["Body"]
    record = {"eventSource": "aws:sqs", "messageId": message["MessageId"], "body": body}
    [parsed] = read_event({"Records": [record]}, queues.bucket)
    if parsed.error:
        raise Unplaceable(parsed.error)
    target = message.get("MessageAttributes", {}).get(TARGET, {}).get("StringValue", "")
    if queues.is_next_model(message.get("Attributes", {}).get(SOURCE) or target):
        return Destination.NEXT_MODEL
    return Destination.BACKFILL if "keys" in json.loads(body) else Destination.IMAGES


class RedriveReport:
    """Numbers of messages by destination, and the reasons of those that stay, by message ID."""

    def __init__(self) -> None:
        self.placed: Counter[Destination] = Counter()
        self.unplaced: dict[str, str] = {}
        self.is_complete = False


class Redrive:
    """Moves messages: each is sent first and deleted afterwards, so that none is lost.

    An interruption between the two leaves it in both queues, which does no harm: a message only
    names images to compare with the bucket.
    """

    def __init__(self, queues: Queues, sqs: Any, *, move: bool, wait_seconds: int) -> None:
        self._queues, self._sqs, self._move = queues, sqs, move
        self._wait_seconds = wait_seconds
        # Receipt handles by message ID: of messages that stay, and IDs of those that were sent.
        self._kept: dict[str, str] = {}
        self._sent: set[str] = set()

    def run(self, maximum: int, report: RedriveReport) -> None:
        """Move up to `maximum` messages, and make those that stay receivable again at once."""
        try:
            while sum(report.placed.values()) < maximum:
                left = maximum - sum(report.placed.values())
                messages = self._receive(min(BATCH, left))
                # Empty, or only messages that were hidden for too long and have been seen.
                if all(each["MessageId"] in self._kept for each in messages):
                    report.is_complete = True
                    return
                for message in messages:
                    self._place(message, report)
        finally:
            for receipt in self._kept.values():
                self._show(receipt)

    def _place(self, message: Mapping[str, Any], report: RedriveReport) -> None:
        id, receipt = message["MessageId"], message["ReceiptHandle"]
        if id in self._sent:  # delivered twice, as standard queues may
            self._delete(receipt)
            return
        if id in self._kept:
            self._kept[id] = receipt
            return
        self._kept[id] = receipt
        try:
            place = destination(message, self._queues)
        except Unplaceable as reason:
            report.unplaced[id] = str(reason)
            return
        if self._move:
            self._send(message, self._queues.url(place))
            self._sent.add(id)
            del self._kept[id]
            self._delete(receipt)
        report.placed[place] += 1

    def _receive(self, count: int) -> list[dict[str, Any]]:
        response = self._sqs.receive_message(
            QueueUrl=self._queues.dead_letters,
            MaxNumberOfMessages=count,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=self._wait_seconds,
            MessageSystemAttributeNames=[SOURCE],
            MessageAttributeNames=["All"],
        )
        return list(response.get("Messages", ()))

    def _send(self, message: Mapping[str, Any], url: str) -> None:
        attributes = message.get("MessageAttributes", {})
        self._sqs.send_message(
            QueueUrl=url, MessageBody=message["Body"], MessageAttributes=attributes
        )

    def _delete(self, receipt: str) -> None:
        self._sqs.delete_message(QueueUrl=self._queues.dead_letters, ReceiptHandle=receipt)

    def _show(self, receipt: str) -> None:
        from botocore.exceptions import ClientError

        with suppress(ClientError):  # it is already visible
            self._sqs.change_message_visibility(
                QueueUrl=self._queues.dead_letters, ReceiptHandle=receipt, VisibilityTimeout=0
            )


def _print(report: RedriveReport, moved: bool, console: Console, as_json: bool) -> None:
    """The counts on standard output, the messages that stay and a summary on standard error."""
    from local.terminal.output import print_line, printable
    from local.terminal.tables import print_json_lines, print_table

    if as_json:
        row = {
            "moved" if moved else "to_be_moved": dict(report.placed),
            "unplaced": report.unplaced,
            "complete": report.is_complete,
        }
        print_json_lines([row])
    rows = [(str(count), place.value) for place, count in report.placed.items()]
    if rows and not as_json:
        print_table(("moved" if moved else "to be moved", "to"), rows)
    for id, reason in report.unplaced.items():
        print_line(console, f"{id} stays: {printable(reason)}")
    for line in _summary(report, moved):
        print_line(console, line)


def _summary(report: RedriveReport, moved: bool) -> Iterator[str]:
    if report.is_complete and not (report.placed or report.unplaced):
        yield "the dead-letter queue is empty"
    if report.placed and not moved:
        yield "nothing has been moved: add --yes to move these messages"
    if not report.is_complete:
        yield "more messages may be left: run again, or raise --max"
