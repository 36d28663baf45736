"""Label sets over HTTP: parse, call the use case, shape the answer.

What can be posted to a label set.

The shapes of label sets.
"""

from functools import partial
from typing import Annotated, Any, TypeAlias

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field

from imagesearch.classification.prompts import checked_labels

from ..requests import LIST_LIMIT, Body, CursorParameter, Limit, posted_json, require_json
from ..responses import Answer, Cursor, answer
from ..routing import AWAY, MISSING, Dependencies, LogFields, Operation
from .classify import Label

# With three prompts a label this takes CLIP some seconds, where API Gateway waits for 29.
MAX_WRITTEN = 300


class PostedLabels(BaseModel):
    model_config = ConfigDict(extra="forbid")

    labels: Annotated[
        list[Label],
        Field(min_length=1, max_length=MAX_WRITTEN, description="In words, as in a caption."),
    ]

    def checked(self) -> list[str]:
        """Raises InvalidQuery."""
        return checked_labels(self.labels, MAX_WRITTEN)


LABELS = Body(PostedLabels, {"labels": {"labels": ["a red fox", "an arctic fox", "a wolf"]}})


Name = Annotated[str, Field(description="What `labelset` of a classification names.")]
Count = Annotated[
    int, Field(ge=0, description="Its labels; those just written are counted a second later.")
]


class LabelSet(Answer):
    name: Name
    count: Count


class LabelSetList(Answer):
    """In the order of their names."""

    labelsets: Annotated[list[LabelSet], Field(description="All that there are.")]


class LabelSetLabels(Answer):
    """Labels in the order of their letters."""

    name: Name
    count: Count
    labels: Annotated[list[str], Field(description="As many as the page holds.")]
    cursor: Cursor


class Written(Answer):
    name: Name
    written: Annotated[int, Field(ge=0, description="How many labels of the request it has now.")]


class Deleted(Answer):
    name: Name
    deleted: Annotated[bool, Field(description="Always true: a set that is not there is an error.")]


ONE, MORE = "/v1/labelsets/<name>", "/v1/labelsets/<name>/labels"
ALL = "List the label sets"
READ = "List the labels of a set"
REPLACE = "Make these the labels of a set"
ADD = "Add labels to a set"
DELETE = "Delete a set with its labels"
BOUND = f"""Up to {MAX_WRITTEN} labels a request: each is embedded before the answer comes. Begin a
larger set with PUT and go on with POST; `imagesearch labels put` does so from a file."""
REPLACED = f"{BOUND} What the set had already is not embedded again."
WRITING = (404, 413, 415, 503)
SetName: TypeAlias = Annotated[
    str, Path(description="1 to 64 of a-z, 0-9, - and _; begins with a letter or digit.")
]


class LabelSetRoutes:
    """Each method raises the errors of its use case; they are mapped to answers at one place."""

    def __init__(self, dependencies: Dependencies, note: LogFields) -> None:
        self._sets = dependencies.label_sets
        self._note = note

    def operations(self) -> list[Operation]:
        get, delete = partial(Operation, "GET"), partial(Operation, "DELETE")
        put, post = partial(Operation, "PUT"), partial(Operation, "POST")
        return [
            get("/v1/labelsets", self.label_sets, LabelSetList, ALL, AWAY),
            get(ONE, self.label_set, LabelSetLabels, READ, MISSING),
            put(ONE, self.put_label_set, Written, REPLACE, WRITING, REPLACED, LABELS),
            post(MORE, self.add_labels, Written, ADD, WRITING, BOUND, LABELS),
            delete(ONE, self.delete_label_set, Deleted, DELETE, MISSING),
        ]

    def label_sets(self) -> Response[Any]:
        found = [LabelSet(name=name, count=count) for name, count in self._sets.counts().items()]
        return answer(LabelSetList(labelsets=found))

    def label_set(
        self, name: SetName, cursor: CursorParameter = None, limit: Limit = LIST_LIMIT
    ) -> Response[Any]:
        page = self._sets.page(name, cursor, limit)
        return answer(
            LabelSetLabels(name=page.name, count=page.count, labels=page.labels, cursor=page.cursor)
        )

    def put_label_set(self, name: SetName, request: Request) -> Response[Any]:
        labels = self._labels(request)
        self._sets.replace(name, labels)
        return answer(Written(name=name, written=len(labels)))

    def add_labels(self, name: SetName, request: Request) -> Response[Any]:
        labels = self._labels(request)
        self._sets.add(name, labels)
        return answer(Written(name=name, written=len(labels)))

    def delete_label_set(self, name: SetName) -> Response[Any]:
        self._sets.delete(name)
        return answer(Deleted(name=name, deleted=True))

    def _labels(self, request: Request) -> list[str]:
        event = request.resolved_event
        require_json(event.headers.get("content-type", ""))
        labels = posted_json(event, PostedLabels).checked()
        self._note(labels=len(labels))
        return labels
