"""Tells CloudFormation how it went: without an answer it waits for as long as it may.

Reads what CloudFormation asks for a custom resource.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-requests.html
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from imagesearch.domain.errors import ConfigurationError

REQUESTS = ("Create", "Update", "Delete")
SAID = {
    "kind": "RequestType",
    "answer_to": "ResponseURL",
    "stack": "StackId",
    "id": "RequestId",
    "name": "LogicalResourceId",
}


class NotARequest(Exception):
    """Nobody can be answered: the event does not say where to."""


@dataclass(frozen=True, slots=True)
class Request:
    """`made` is the id of what an earlier request made; `answer_to` is signed, and never logged."""

    kind: str
    answer_to: str
    stack: str
    id: str
    name: str
    made: str | None
    properties: Mapping[str, Any]

    def property(self, name: str) -> str:
        """Raises ConfigurationError."""
        value = self.properties.get(name)
        if not (isinstance(value, str) and value):
            raise ConfigurationError(
                f"the resource {self.name} has no {name}", f"give it {name} in the template"
            )
        return value


def read_event(event: Any) -> Request:
    """Raises NotARequest."""
    try:
        said = {field: event[name] for field, name in SAID.items()}
        made, properties = event.get("PhysicalResourceId"), event.get("ResourceProperties")
    except (KeyError, TypeError, AttributeError) as error:
        raise NotARequest("the event is none that CloudFormation sends") from error
    if said["kind"] not in REQUESTS or not all(isinstance(each, str) for each in said.values()):
        raise NotARequest("the event is none that CloudFormation sends")
    return Request(
        **said,
        made=made if isinstance(made, str) else None,
        properties=properties if isinstance(properties, Mapping) else {},
    )


ATTEMPTS, CONNECT_SECONDS, SILENCE_SECONDS = 4, 2, 3
# CloudFormation takes 4,096 bytes, with the names that the answer repeats.
LONGEST_REASON = 2000
# Attempts that all fail, with the pauses between them.
ANSWERING_SECONDS = ATTEMPTS * (CONNECT_SECONDS + SILENCE_SECONDS) + sum(range(1, ATTEMPTS))


class NotAnswered(Exception):
    """CloudFormation's address did not take the answer."""


@dataclass(frozen=True, slots=True)
class Result:
    """`made` is the id of the resource; `trouble` says why it failed, if it did."""

    made: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ResponseSender:
    """`pause` waits between attempts, in seconds."""

    pause: Callable[[float], None] = time.sleep

    def answer(self, request: Request, outcome: Result) -> None:
        """Raises NotAnswered, whose message holds nothing of the signed address."""
        body, why = _body(request, outcome), ""
        for attempt in range(ATTEMPTS):
            self.pause(attempt)
            why = _put(request.answer_to, body)
            if not why:
                return
        raise NotAnswered(f"CloudFormation's address does not take the answer: {why}")


def _put(url: str, body: bytes) -> str:
    """Why it was not taken, or nothing. The address is signed for no content type."""
    try:
        answer = requests.put(
            url,
            data=body,
            headers={"content-type": ""},
            timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return type(error).__name__
    return "" if answer.ok else f"it answers {answer.status_code}"


def _body(request: Request, outcome: Result) -> bytes:
    answer = {
        "Status": "FAILED" if outcome.trouble else "SUCCESS",
        "Reason": outcome.trouble.encode()[:LONGEST_REASON].decode(errors="ignore"),
        "PhysicalResourceId": outcome.made,
        "StackId": request.stack,
        "RequestId": request.id,
        "LogicalResourceId": request.name,
    }
    return json.dumps(answer, ensure_ascii=False).encode()
