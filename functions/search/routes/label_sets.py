"""Label set routes: list, read, write and delete stored sets of labels."""

from functools import partial
from typing import Annotated, Any, TypeAlias, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field

from imagesearch.classification.examples import MAX_LABELS_WITH_EXAMPLES, NamedExamples
from imagesearch.classification.label_sets import WRITE_BATCH
from imagesearch.classification.prompts import checked_labels

from ..parameters import LIST_LIMIT, CursorParameter, Limit
from ..requests import RequestBody, posted_json, require_json
from ..responses import Cursor, ResponseModel, json_response
from ..routing import NOT_FOUND, UNAVAILABLE, Dependencies, LogFields, Operation
from .classify import ExampleIds, Label, LearnedLabels, learned_labels

# Embedding them takes CLIP some seconds at three prompts per label; API Gateway times out after 29.
MAX_WRITTEN = WRITE_BATCH
SetName: TypeAlias = Annotated[
    str,
    Path(
        description="Name of the label set: 1 to 64 of the characters a-z, 0-9, - and _, starting"
        " with a letter or digit.",
        examples=["foxes"],
    ),
]
Name = Annotated[str, Field(description="Name of the label set, as in `labelset`.")]
Count = Annotated[
    int,
    Field(ge=0, description="Number of labels; new labels are counted after about a second."),
]
SETS = "/v1/labelsets"
SET = f"{SETS}/<name>"
LABELS_OF_SET = f"{SET}/labels"
LIST = "List the label sets"
READ = "List the labels of a set"
REPLACE = "Create a label set or replace its labels"
ADD = "Add labels to a set"
DELETE = "Delete a label set"
ADD_RULES = f"""Up to {MAX_WRITTEN} labels per request: each is embedded before the response is
sent. Create a larger set with PUT and add the rest with POST; `imagesearch labels put` does this
from a file."""
REPLACE_RULES = f"""{ADD_RULES} Labels that the set has already are not embedded again.

With `examples`, classification by up to {MAX_LABELS_WITH_EXAMPLES} labels learns from indexed
images if that proves better on held-out examples; `learned` in the response states the result. A
set with examples is changed with PUT only."""
WRITE_ERRORS = (404, 413, 415, 503)


class PostedLabels(BaseModel):
    model_config = ConfigDict(extra="forbid")

    labels: Annotated[
        list[Label],
        Field(min_length=1, max_length=MAX_WRITTEN, description="Labels, worded as in a caption."),
    ]

    def checked(self) -> list[str]:
        """Raises InvalidQuery."""
        return checked_labels(self.labels, MAX_WRITTEN)


Posted = TypeVar("Posted", bound=PostedLabels)


class PostedLabelSet(PostedLabels):
    examples: ExampleIds | None = None

    def named(self) -> NamedExamples | None:
        if not self.examples:
            return None
        return NamedExamples({label.strip(): ids for label, ids in self.examples.items()})


class LabelSet(ResponseModel):
    name: Name
    count: Count


class LabelSetList(ResponseModel):
    """Label sets in the order of their names."""

    labelsets: Annotated[list[LabelSet], Field(description="All label sets.")]


class LabelSetLabels(ResponseModel):
    """Labels in alphabetical order."""

    name: Name
    count: Count
    labels: Annotated[list[str], Field(description="The labels of this page.")]
    learned: Annotated[
        LearnedLabels | None,
        Field(description="What was learned from the examples; null without examples."),
    ]
    cursor: Cursor


class Written(ResponseModel):
    name: Name
    written: Annotated[int, Field(ge=0, description="Number of distinct labels in the request.")]


class Replaced(Written):
    learned: Annotated[
        LearnedLabels | None,
        Field(description="What was learned from the examples; null without examples."),
    ]


class Deleted(ResponseModel):
    name: Name
    deleted: Annotated[bool, Field(description="Always true: a missing set is an error.")]


EXAMPLE_LABELS = {"labels": {"labels": ["a red fox", "an arctic fox", "a wolf"]}}
LABELS = RequestBody(PostedLabels, EXAMPLE_LABELS)
LABELED = RequestBody(PostedLabelSet, EXAMPLE_LABELS)


class LabelSetRoutes:
    """Routes that raise the errors of their use case; `errors.py` maps them to responses."""

    def __init__(self, dependencies: Dependencies, log: LogFields) -> None:
        self._sets = dependencies.label_sets
        self._log = log

    def operations(self) -> list[Operation]:
        get, delete = partial(Operation, "GET"), partial(Operation, "DELETE")
        put, post = partial(Operation, "PUT"), partial(Operation, "POST")
        return [
            get(SETS, self.label_sets, LabelSetList, LIST, UNAVAILABLE),
            get(SET, self.label_set, LabelSetLabels, READ, NOT_FOUND),
            put(
                SET,
                self.put_label_set,
                Replaced,
                REPLACE,
                WRITE_ERRORS,
                REPLACE_RULES,
                LABELED,
            ),
            post(LABELS_OF_SET, self.add_labels, Written, ADD, WRITE_ERRORS, ADD_RULES, LABELS),
            delete(SET, self.delete_label_set, Deleted, DELETE, NOT_FOUND),
        ]

    def label_sets(self) -> Response[Any]:
        counts = self._sets.counts().items()
        sets = [LabelSet(name=name, count=count) for name, count in counts]
        return json_response(LabelSetList(labelsets=sets))

    def label_set(
        self, name: SetName, cursor: CursorParameter = None, limit: Limit = LIST_LIMIT
    ) -> Response[Any]:
        page = self._sets.page(name, cursor, limit)
        return json_response(
            LabelSetLabels(
                name=page.name,
                count=page.count,
                labels=page.labels,
                learned=learned_labels(page.learned),
                cursor=page.cursor,
            )
        )

    def put_label_set(self, name: SetName, request: Request) -> Response[Any]:
        posted = self._posted(request, PostedLabelSet)
        labels, named = posted.checked(), posted.named()
        found = self._sets.replace(name, labels, examples=named)
        learned = learned_labels(found)
        return json_response(Replaced(name=name, written=len(labels), learned=learned))

    def add_labels(self, name: SetName, request: Request) -> Response[Any]:
        labels = self._posted(request, PostedLabels).checked()
        self._sets.add(name, labels)
        return json_response(Written(name=name, written=len(labels)))

    def delete_label_set(self, name: SetName) -> Response[Any]:
        self._sets.delete(name)
        return json_response(Deleted(name=name, deleted=True))

    def _posted(self, request: Request, model: type[Posted]) -> Posted:
        event = request.resolved_event
        require_json(event.headers.get("content-type", ""))
        posted = posted_json(event, model)
        self._log(labels=len(posted.labels))
        return posted
