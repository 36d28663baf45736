"""Label sets over HTTP: parse, call the use case, shape the answer."""

from functools import partial
from typing import Annotated, Any, TypeAlias

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from aws_lambda_powertools.event_handler.request import Request

from ..labelsets.answers import Deleted, LabelSet, LabelSetLabels, LabelSetList, Written
from ..labelsets.bodies import LABELS, MAX_WRITTEN, PostedLabels
from ..operation import AWAY, MISSING, Operation
from ..parameters import LIST_LIMIT, Cursor, Limit
from ..requests import posted_json, require_json
from ..responses import answer
from ..routing import Note, Parts

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

    def __init__(self, parts: Parts, note: Note) -> None:
        self._sets = parts.label_sets
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
        self, name: SetName, cursor: Cursor = None, limit: Limit = LIST_LIMIT
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
