"""Whether a search would succeed, over HTTP."""

from typing import Annotated, Any, Literal, TypeAlias

from aws_lambda_powertools.event_handler import Response
from pydantic import Field

from imagesearch.domain.errors import Unavailable
from imagesearch.domain.ports import ChangeQueue
from imagesearch.uploads import Allowed, UploadService

from ..responses import Answer, answer
from ..routing import AWAY, Dependencies, Operation

Change: TypeAlias = Literal["uploads", "deletions"]
SUMMARY = "Whether a search would succeed"


class Waiting(Answer):
    """Changes of the bucket that the index has still to follow."""

    waiting: Annotated[int, Field(ge=0, description="Not begun yet.")]
    in_flight: Annotated[int, Field(ge=0, description="Under way, or to be tried again.")]


class Health(Answer):
    status: Annotated[str, Field(description="ok; where a search would fail, the answer is 503.")]
    images: Annotated[int, Field(description="How many images a search can find.")]
    rejected: Annotated[int, Field(description="How many could not be read.")]
    model: Annotated[str, Field(description="The model that embeds queries.")]
    index: Annotated[
        str, Field(description="The name of the index: its prefix and the space of its vectors.")
    ]
    cluster: Annotated[str, Field(description="green; yellow where a copy is missing.")]
    allows: Annotated[list[Change], Field(description="What may be changed from here.")]
    lag: Annotated[
        Waiting | None,
        Field(description="About; null where the queue does not answer, absent where none is."),
    ] = None


class HealthRoute:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def operations(self) -> list[Operation]:
        return [Operation("GET", "/v1/health", self.health, Health, SUMMARY, AWAY)]

    def health(self) -> Response[Any]:
        searcher, queue = self._dependencies.searcher, self._dependencies.queue
        found = searcher.health()
        return answer(
            Health(
                status="ok",
                images=found.images,
                rejected=found.rejected,
                model=searcher.model,
                index=found.name,
                cluster=found.status,
                allows=_allowed(self._dependencies.uploads),
                **({"lag": _lag(queue)} if queue else {}),
            )
        )


def _allowed(uploads: UploadService | None) -> list[Change]:
    allowed = uploads.allowed if uploads else Allowed()
    changes: dict[Change, bool] = {"uploads": allowed.uploads, "deletions": allowed.deletions}
    return [change for change, may_be in changes.items() if may_be]


def _lag(queue: ChangeQueue) -> Waiting | None:
    """Searches do not need the queue: where it is away, the rest is still well."""
    try:
        lag = queue.lag()
    except Unavailable:
        return None
    return Waiting(waiting=lag.waiting, in_flight=lag.in_flight)
