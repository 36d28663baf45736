"""Claims about `imagesearch redrive`: dead letters reach the queue they fit, and none is lost."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from local.cli import app
from local.commands.aws.redrive import (
    SOURCE,
    TARGET,
    Destination,
    Queues,
    Redrive,
    RedriveReport,
    Unplaceable,
    destination,
)
from tests.support.paths import EVENTS

BUCKET = "imagesearch-images"
IMAGES, BACKFILL, NEXT = Destination
ARN = "arn:aws:sqs:us-east-1:123456789012:"


def bodies(name: str) -> list[str]:
    return [each["body"] for each in json.loads((EVENTS / f"{name}.json").read_text())["Records"]]


[CREATED] = bodies("sqs-eventbridge-created")
[DELETED] = bodies("sqs-eventbridge-deleted")
[FROM_S3] = bodies("sqs-s3-put")
FROM_SNS, SNS_TEST = bodies("sqs-sns-s3-put")
[KEYS] = bodies("sqs-backfill")
[TEST_EVENT] = bodies("sqs-test-event")
_, NOT_JSON, UNKNOWN, OTHER_BUCKET, _ = bodies("sqs-mixed-with-garbage")
PLACEABLE = [CREATED, DELETED, FROM_S3, FROM_SNS, SNS_TEST, TEST_EVENT, KEYS]
UNPLACEABLE = [NOT_JSON, UNKNOWN, OTHER_BUCKET, '{"keys": ["a.jpg"]}', "[]", "null", '"text"', "\0"]


@dataclass
class Sqs:
    """SQS with the ARN of a dead letter's source, which moto omits; fails at the calls in `fails`.

    `sources` has the names of the source queues by message ID, `deleted` the deleted bodies.
    """

    client: Any
    sources: dict[str, str] = field(default_factory=dict)
    fails: set[int] = field(default_factory=set)
    calls: int = 0
    deleted: Counter[str] = field(default_factory=Counter)
    received: dict[str, str] = field(default_factory=dict)

    def receive_message(self, **given: Any) -> dict[str, Any]:
        assert given["MessageSystemAttributeNames"] == [SOURCE]
        self._count()
        response = self.client.receive_message(**given)
        for each in response.get("Messages", ()):
            self.received[each["ReceiptHandle"]] = each["Body"]
            if name := self.sources.get(each["MessageId"]):
                each["Attributes"] = {SOURCE: ARN + name}
        return response

    def delete_message(self, **given: Any) -> None:
        self._count()
        self.client.delete_message(**given)
        self.deleted[self.received[given["ReceiptHandle"]]] += 1

    def send_message(self, **given: Any) -> None:
        self._count()
        self.client.send_message(**given)

    def change_message_visibility(self, **given: Any) -> None:
        self._count()
        self.client.change_message_visibility(**given)

    def _count(self) -> None:
        self.calls += 1
        if self.calls in self.fails:
            raise ClientError({"Error": {"Code": "Unavailable"}}, "call")


@dataclass
class Account:
    """The queues of a stack."""

    sqs: Sqs
    queues: Queues

    def dead(self, body: str, source: str | None = None, target: str | None = None) -> str:
        """Add a dead letter, with the source queue or the target of EventBridge's rule."""
        given: dict[str, Any] = {}
        if target:
            given["MessageAttributes"] = {
                TARGET: {"DataType": "String", "StringValue": ARN + target},
                "ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"},
            }
        sent = self.sqs.client.send_message(
            QueueUrl=self.queues.dead_letters, MessageBody=body, **given
        )
        if source:
            self.sqs.sources[sent["MessageId"]] = source
        return str(sent["MessageId"])

    def redrive(self, maximum: int = 1000, *, move: bool = True) -> RedriveReport:
        report = RedriveReport()
        Redrive(self.queues, self.sqs, move=move, wait_seconds=0).run(maximum, report)
        return report

    def contents(self, url: str) -> Counter[str]:
        """The bodies of the messages that can be received, which stay hidden afterwards."""
        found: Counter[str] = Counter()
        while messages := self._received(url):
            found.update(each["Body"] for each in messages)
        return found

    def _received(self, url: str) -> list[dict[str, Any]]:
        given = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 3600}
        return list(self.sqs.client.receive_message(**given).get("Messages", ()))

    @property
    def left(self) -> Counter[str]:
        return self.contents(self.queues.dead_letters)

    def at(self, place: Destination) -> Counter[str]:
        return self.contents(self.queues.url(place))


@pytest.fixture
def account(aws) -> Callable[[], Account]:
    """Creates queues with new names."""
    sqs = aws("sqs")

    def account(next_model: bool = True) -> Account:
        run = uuid.uuid4().hex[:8]

        def url(name: str) -> str:
            return str(sqs.create_queue(QueueName=f"{name}-{run}")["QueueUrl"])

        next_url = url("next") if next_model else None
        return Account(Sqs(sqs), Queues(BUCKET, url("dead"), url("images"), url("work"), next_url))

    return account


def name_of(url: str | None) -> str:
    return (url or "").rpartition("/")[2]


@pytest.mark.parametrize("body", PLACEABLE)
@pytest.mark.parametrize("origin", ["images", "work", "next", "removed", None])
@pytest.mark.parametrize("by", ["source", "target"])
def test_the_model_is_that_of_the_origin_and_the_form_decides_its_queue(body, origin, by):
    url = "https://sqs.us-east-1.amazonaws.com/1/"
    queues = Queues(BUCKET, url + "dead", url + "images", url + "work", url + "next")
    message: dict[str, Any] = {"MessageId": "1", "Body": body}
    if origin and by == "source":
        message["Attributes"] = {SOURCE: ARN + origin}
    elif origin:
        message["MessageAttributes"] = {TARGET: {"StringValue": ARN + origin}}
    place = destination(message, queues)
    if origin == "next":
        assert place is NEXT
    else:
        assert place is (BACKFILL if body is KEYS else IMAGES)


@pytest.mark.parametrize("body", UNPLACEABLE)
def test_a_message_that_the_function_cannot_read_has_a_reason(body):
    queues = Queues(BUCKET, "dead", "images", "work", None)
    with pytest.raises(Unplaceable, match=r"\w+ \w+"):
        destination({"MessageId": "1", "Body": body, "Attributes": {SOURCE: ARN + "x"}}, queues)


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([*PLACEABLE, *UNPLACEABLE[:6]]),
        st.sampled_from([None, "images", "work", "next"]),
        st.sampled_from(["source", "target"]),
    ),
    max_size=25,
)
GENERATED = settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def add(account: Account, messages: list[tuple[str, str | None, str]]) -> None:
    queues = {"images": account.queues.images, "work": account.queues.backfill}
    queues["next"] = account.queues.next_model or ""
    for body, origin, by in messages:
        account.dead(body, **{by: name_of(queues[origin]) if origin else None})


@GENERATED
@given(messages=MESSAGES)
def test_every_message_is_moved_once_or_stays(account, messages):
    made = account()
    add(made, messages)
    planned = made.redrive(move=False)
    moved = made.redrive()
    assert moved.placed == planned.placed
    assert moved.unplaced == planned.unplaced
    expected: dict[Any, Counter[str]] = {place: Counter() for place in (None, *Destination)}
    for body, origin, _ in messages:
        place = NEXT if origin == "next" else BACKFILL if body is KEYS else IMAGES
        expected[None if body in UNPLACEABLE else place][body] += 1
    assert made.left == expected[None]
    for place in Destination:
        assert made.at(place) == expected[place]


@GENERATED
@given(messages=MESSAGES, fails=st.sets(st.integers(1, 60), max_size=4))
def test_no_message_is_lost_when_requests_fail(account, messages, fails):
    made = account()
    add(made, messages)
    made.sqs.fails = fails
    failures = 0
    while True:
        try:
            made.redrive()
            break
        except ClientError:
            failures += 1
    # A failed run can leave messages hidden: count those that are not deleted.
    sent = Counter(body for body, *_ in messages)
    everywhere = sum((made.at(place) for place in Destination), sent - made.sqs.deleted)
    assert sent <= everywhere
    assert (everywhere - sent).total() <= failures


def test_a_maximum_bounds_what_is_moved(account):
    made = account()
    for _ in range(25):
        made.dead(CREATED)
    report = made.redrive(12)
    assert (report.placed, report.is_complete) == ({IMAGES: 12}, False)
    assert made.left.total() == 13


def test_attributes_of_eventbridge_are_kept(account):
    made = account()
    made.dead(CREATED, target=name_of(made.queues.next_model))
    made.redrive()
    given = {"QueueUrl": made.queues.next_model, "MessageAttributeNames": ["All"]}
    [message] = made.sqs.client.receive_message(**given)["Messages"]
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


def test_messages_of_a_removed_next_model_go_to_the_current_one(account):
    made = account(next_model=False)
    made.dead(CREATED, source="next-queue-of-the-past")
    made.dead(KEYS, source="next-queue-of-the-past")
    made.redrive()
    assert made.at(IMAGES) == {CREATED: 1}
    assert made.at(BACKFILL) == {KEYS: 1}


@pytest.fixture
def command(aws, account, monkeypatch) -> Callable[..., Any]:
    """Runs the command on a stack with the outputs of the template."""
    made = account()
    queues = made.queues
    outputs: Mapping[str, str | None] = {
        "BucketName": BUCKET,
        "DeadLetterQueueUrl": queues.dead_letters,
        "QueueUrl": queues.images,
        "BackfillQueueUrl": queues.backfill,
        "NextModelQueueUrl": queues.next_model,
    }
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    aws("cloudformation").create_stack(StackName="photos", TemplateBody=json.dumps(template))
    monkeypatch.setattr("local.commands.aws.redrive.WAIT_SECONDS", 0)

    def command(*options: str) -> Any:
        return CliRunner().invoke(app, ["redrive", "--stack", "photos", *options]), made

    return command


def test_the_command_moves_only_with_yes_and_names_what_stays(command):
    _, made = command()
    made.dead(CREATED)
    made.dead(KEYS)
    id = made.dead(NOT_JSON)
    planned, _ = command()
    assert planned.exit_code == 1
    assert planned.stdout.splitlines() == ["1\timage queue", "1\tbackfill queue"]
    assert f"{id} stays: the message is not JSON" in planned.stderr
    assert "nothing has been moved: add --yes" in planned.stderr
    [row] = map(json.loads, command("--json")[0].stdout.splitlines())
    counts = {"image queue": 1, "backfill queue": 1}
    assert (row["to_be_moved"], list(row["unplaced"])) == (counts, [id])
    moved, _ = command("--yes")
    assert moved.stdout == planned.stdout
    assert made.left == {NOT_JSON: 1}
    assert made.at(IMAGES) == {CREATED: 1}


def test_an_empty_queue_is_reported(command):
    done, _ = command("--yes")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "the dead-letter queue is empty" in done.stderr
