"""Health route: the state of the index, the model and the queue."""

from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeAlias

from aws_lambda_powertools.event_handler import Response
from pydantic import Field

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.ports import ChangeQueue
from imagesearch.uploads import Permissions

from ..responses import ResponseModel, json_response
from ..routing import UNAVAILABLE, Dependencies, Operation

Allowed: TypeAlias = Literal["uploads", "deletions", "urls"]
SUMMARY = "Check that searches succeed"


class Waiting(ResponseModel):
    """Bucket changes that are not in the index yet."""

    waiting: Annotated[int, Field(ge=0, description="Messages waiting in the queue.")]
    in_flight: Annotated[
        int, Field(ge=0, description="Messages in progress or waiting for a retry.")
    ]


class ModelChange(ResponseModel):
    """A model that will replace the one in use."""

    name: Annotated[str, Field(description="Name of the model.")]
    state: Annotated[
        Literal["downloading", "testing", "indexing", "failed"],
        Field(description="Current step, or `failed`; the model in use answers searches."),
    ]
    done: Annotated[
        int, Field(ge=0, description="Bytes, steps of the self-test or images that are done.")
    ]
    total: Annotated[int | None, Field(description="Their total number; null if unknown.")]
    message: Annotated[str, Field(description="Reason for a failure or a delay; else empty.")]


class Health(ResponseModel):
    status: Annotated[str, Field(description="Always `ok`: if searches fail, the status is 503.")]
    images: Annotated[int, Field(description="Number of searchable images.")]
    rejected: Annotated[int, Field(description="Number of rejected images.")]
    model: Annotated[str, Field(description="Model that embeds queries.")]
    index: Annotated[
        str,
        Field(description="Name of the index: its prefix and the embedding space of its vectors."),
    ]
    cluster: Annotated[
        str, Field(description="Cluster status: `green`, or `yellow` if a replica is missing.")
    ]
    allows: Annotated[
        list[Allowed],
        Field(
            description="What the operator has enabled: uploads, deletions, and images from URLs."
        ),
    ]
    lag: Annotated[
        Waiting | None,
        Field(description="Approximate; null if the queue is unavailable, absent without a queue."),
    ] = None
    damaged: Annotated[
        int | None,
        Field(
            description="Damaged records that were found since the start of a local server, and are"
            " not returned; absent if there are none. They are indexed again within minutes."
        ),
    ] = None
    next_model: Annotated[
        ModelChange | None,
        Field(description="Absent unless the model changes; the local server alone reports it."),
    ] = None


class HealthRoutes:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def operations(self) -> list[Operation]:
        return [Operation("GET", "/v1/health", self.health, Health, SUMMARY, UNAVAILABLE)]

    def health(self) -> Response[Any]:
        searcher, queue = self._dependencies.searcher, self._dependencies.queue
        index = searcher.health()
        optional: dict[str, Any] = {}
        if index.damaged:
            optional["damaged"] = index.damaged
        if queue:
            optional["lag"] = _lag(queue)
        if model := self._dependencies.next_model():
            optional["next_model"] = ModelChange.model_validate(asdict(model))
        return json_response(
            Health(
                status="ok",
                images=index.images,
                rejected=index.rejected,
                model=searcher.model,
                index=index.name,
                cluster=index.status,
                allows=_allowed(self._dependencies),
                **optional,
            )
        )


def _allowed(dependencies: Dependencies) -> list[Allowed]:
    uploads = dependencies.uploads
    permissions = uploads.permissions if uploads else Permissions()
    enabled: dict[Allowed, bool] = {
        "uploads": permissions.uploads,
        "deletions": permissions.deletions,
        "urls": dependencies.fetches_urls,
    }
    return [each for each, is_enabled in enabled.items() if is_enabled]


def _lag(queue: ChangeQueue) -> Waiting | None:
    """None if the queue is unavailable, which does not affect searches."""
    try:
        lag = queue.lag()
    except Unavailable:
        return None
    return Waiting(waiting=lag.waiting, in_flight=lag.in_flight)
