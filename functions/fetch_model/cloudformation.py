"""Requests of a CloudFormation custom resource, and responses to their presigned URLs.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-requests.html
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from imagesearch.domain.errors import ConfigurationError

REQUEST_TYPES = ("Create", "Update", "Delete")
FIELDS = {
    "type": "RequestType",
    "response_url": "ResponseURL",
    "stack": "StackId",
    "id": "RequestId",
    "name": "LogicalResourceId",
}
ATTEMPTS, CONNECT_SECONDS, READ_SECONDS = 4, 2, 3
# A response has at most 4,096 bytes, including the IDs that it repeats.
MAX_REASON = 2000
# The longest time that a response takes: all attempts time out, with pauses between them.
RESPONSE_SECONDS = ATTEMPTS * (CONNECT_SECONDS + READ_SECONDS) + sum(range(1, ATTEMPTS))


class NotARequest(Exception):
    """The event is not a custom resource request: there is no URL to respond to."""


class ResponseNotSent(Exception):
    """The presigned URL did not accept the response."""


@dataclass(frozen=True, slots=True)
class Request:
    """A custom resource request.

    `resource_id` is the physical ID of an existing resource, None on creation; `response_url` is
    presigned and must not be logged.
    """

    type: str
    response_url: str
    stack: str
    id: str
    name: str
    resource_id: str | None
    properties: Mapping[str, Any]

    def property(self, name: str) -> str:
        """A property of type string. Raises ConfigurationError."""
        value = self.properties.get(name)
        if not (isinstance(value, str) and value):
            raise ConfigurationError(
                f"the resource {self.name} has no {name}", f"set {name} in the template"
            )
        return value

    def optional_property(self, name: str) -> str:
        """A property of type string; empty if it is missing. Raises ConfigurationError."""
        return self.property(name) if self.properties.get(name) else ""


@dataclass(frozen=True, slots=True)
class Result:
    """`resource_id` is the physical ID; `error` is the reason of a failure, else empty."""

    resource_id: str
    error: str = ""


def read_event(event: Any) -> Request:
    """Raises NotARequest."""
    try:
        fields = {field: event[name] for field, name in FIELDS.items()}
        resource_id = event.get("PhysicalResourceId")
        properties = event.get("ResourceProperties")
    except (KeyError, TypeError, AttributeError) as error:
        raise NotARequest("the event is not a custom resource request") from error
    are_strings = all(isinstance(each, str) for each in fields.values())
    if fields["type"] not in REQUEST_TYPES or not are_strings:
        raise NotARequest("the event is not a custom resource request")
    return Request(
        **fields,
        resource_id=resource_id if isinstance(resource_id, str) else None,
        properties=properties if isinstance(properties, Mapping) else {},
    )


@dataclass(frozen=True, slots=True)
class ResponseSender:
    """Sends responses to CloudFormation, which without one waits until its timeout.

    `pause` waits between attempts, in seconds.
    """

    pause: Callable[[float], None] = time.sleep

    def send(self, request: Request, result: Result) -> None:
        """Raises ResponseNotSent, whose message does not contain the presigned URL."""
        body, error = _body(request, result), ""
        for attempt in range(ATTEMPTS):
            self.pause(attempt)
            error = _put(request.response_url, body)
            if not error:
                return
        raise ResponseNotSent(f"CloudFormation did not accept the response: {error}")


def _put(url: str, body: bytes) -> str:
    """An error message, empty on success. The signature of the URL covers no content type."""
    try:
        response = requests.put(
            url,
            data=body,
            headers={"content-type": ""},
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return type(error).__name__
    return "" if response.ok else f"status {response.status_code}"


def _body(request: Request, result: Result) -> bytes:
    response = {
        "Status": "FAILED" if result.error else "SUCCESS",
        "Reason": result.error.encode()[:MAX_REASON].decode(errors="ignore"),
        "PhysicalResourceId": result.resource_id,
        "StackId": request.stack,
        "RequestId": request.id,
        "LogicalResourceId": request.name,
    }
    return json.dumps(response, ensure_ascii=False).encode()
