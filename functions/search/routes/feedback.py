"""Feedback over HTTP: parse, call the use case, shape the answer."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field

from ..requests import Body, posted_json, require_json
from ..responses import Answer, answer
from ..routing import Dependencies, LogFields, Operation

SUMMARY = "Say whether a hit was what was looked for"
DESCRIPTION = """Kept as a pair to train with: the vectors of query and image, and the opinion.
Nothing tells who gave it, and no word or picture of the query is kept. The same one again changes
nothing."""
# Of a model with 8,192 dimensions.
MAX_SEARCH_ID = 12_000


class PostedFeedback(BaseModel):
    model_config = ConfigDict(extra="forbid")

    search_id: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_SEARCH_ID,
            description="Of the search's answer, at most a day ago.",
        ),
    ]
    id: Annotated[str, Field(min_length=1, description="The hit's id.")]
    relevant: Annotated[bool, Field(strict=True, description="Whether it was.")]


class Kept(Answer):
    kept: Annotated[bool, Field(description="Always true: what cannot be kept is an error.")]


FEEDBACK = Body(
    PostedFeedback,
    {"relevant": {"search_id": "aKw9…", "id": "2J6Tn4a9QYXvZ2mD5oHkR8cW", "relevant": True}},
)


class FeedbackRoute:
    """Raises the errors of its use case; they are mapped to answers at one place."""

    def __init__(self, dependencies: Dependencies, note: LogFields) -> None:
        self._feedback = dependencies.feedback
        self._note = note

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/v1/feedback",
                self.give_feedback,
                Kept,
                SUMMARY,
                (404, 413, 415, 503),
                DESCRIPTION,
                FEEDBACK,
                status=201,
            )
        ]

    def give_feedback(self, request: Request) -> Response[Any]:
        event = request.resolved_event
        require_json(event.headers.get("content-type", ""))
        posted = posted_json(event, PostedFeedback)
        self._feedback.give(posted.search_id, posted.id, posted.relevant)
        self._note(relevant=posted.relevant)
        return answer(Kept(kept=True), status=201)
