"""Feedback route: whether a hit was relevant."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field

from ..requests import RequestBody, posted_json, require_json
from ..responses import ResponseModel, json_response
from ..routing import Dependencies, LogFields, Operation

MAX_SEARCH_ID = 64
SUMMARY = "Report whether a hit was relevant"
DESCRIPTION = """Stored as training data: the embeddings of query and image, the verdict, and a
pseudonym of the API key. The image of the query is not recorded, and its text only if the operator
stores texts. Repeated feedback is stored once; of opposite feedback, the last one counts."""


class PostedFeedback(BaseModel):
    model_config = ConfigDict(extra="forbid")

    search_id: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_SEARCH_ID,
            description="`search_id` of the response to a search with `feedback`, at most one day"
            " old. The example is a placeholder.",
        ),
    ]
    id: Annotated[
        str,
        Field(min_length=1, description="ID of a hit of the search. The example is a placeholder."),
    ]
    relevant: Annotated[bool, Field(strict=True, description="True if the hit was relevant.")]


class Kept(ResponseModel):
    kept: Annotated[bool, Field(description="Always true: feedback that fails is an error.")]


FEEDBACK = RequestBody(
    PostedFeedback,
    {"relevant": {"search_id": "aKw9…", "id": "2J6Tn4a9QYXvZ2mD5oHkR8cW", "relevant": True}},
)


class FeedbackRoutes:
    """A route that raises the errors of its use case; `errors.py` maps them to responses."""

    def __init__(self, dependencies: Dependencies, log: LogFields) -> None:
        self._feedback = dependencies.feedback
        self._log = log

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
        context = event.get("requestContext") or {}
        key_id = (context.get("identity") or {}).get("apiKeyId")
        self._feedback.give(posted.search_id, posted.id, posted.relevant, key_id)
        self._log(relevant=posted.relevant)
        return json_response(Kept(kept=True), status=201)
