"""Reads what CloudFormation asks for a custom resource.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-requests.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
