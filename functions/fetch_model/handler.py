"""Handles a request of CloudFormation's: it is answered whatever happens, and in time.

Work that is waited for no longer than there is time.
"""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from aws_lambda_powertools import Logger

from imagesearch.domain.errors import ImageSearchError
from imagesearch.downloads.model_store import Deadline, OutOfTime, S3ModelStore

from .cloudformation import ANSWERING_SECONDS, Request, ResponseSender, Result, read_event

T = TypeVar("T")


class TimedWork(Generic[T]):
    """In a thread of its own, because a socket that is silent cannot be asked to stop."""

    def __init__(self, work: Callable[[Deadline], T]) -> None:
        self._work = work
        self._time_left = Deadline()
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self, seconds: float) -> T:
        """What the work gave, or raises what it raised; OutOfTime when it takes longer."""
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self._time_left.end()
            raise OutOfTime(f"the model was not in place after {seconds:.0f} seconds", "try again")
        if self._error:
            raise self._error
        return self._result[0]

    def end(self, seconds: float) -> None:
        """Let work that was stopped put away what it holds: Lambda freezes it, and thaws it in the
        midst of another request."""
        self._time_left.end()
        self._thread.join(max(0.0, seconds))

    def _run(self) -> None:
        try:
            self._result.append(self._work(self._time_left))
        except BaseException as error:
            self._error = error


Handler: TypeAlias = Callable[[Any, Any], None]
StoreFactory: TypeAlias = Callable[[str, str], S3ModelStore]
ENDING_SECONDS = 5  # for what was stopped, and for Lambda itself
NOT_MADE = "was-not-made"
ADVICE = {
    "Create": "Deploy again, or put the model into a bucket of your own and name it with ModelUri",
    "Update": "Deploy again; until then everything works with the model that it had",
    "Delete": "Empty the bucket of models by hand, and delete again",
}


def make_handler(store: StoreFactory, sender: ResponseSender, logger: Logger) -> Handler:
    """The Lambda handler. Raises NotARequest, and NotAnswered, after which Lambda tries again."""

    def handle(event: Any, context: Any) -> None:
        request = read_event(event)
        logger.append_keys(request_id=getattr(context, "aws_request_id", None))
        work = TimedWork(lambda time_left: _fulfil(request, store, time_left, logger))
        seconds = _seconds(context) - ANSWERING_SECONDS - ENDING_SECONDS
        outcome = _outcome(request, work, seconds, logger)
        if outcome.trouble:
            logger.error("model", request=request.kind, made=outcome.made, reason=outcome.trouble)
        sender.answer(request, outcome)
        work.end(_seconds(context) - 1)

    return handle


def _fulfil(request: Request, store: StoreFactory, time_left: Deadline, logger: Logger) -> str:
    """Do what is asked; the id of the resource, which is the model's address."""
    if request.kind == "Delete" and _made(request).endswith(NOT_MADE):
        return _made(request)
    models = store(request.property("Bucket"), request.property("Part"))
    if request.kind == "Delete":
        deleted = models.remove(_made(request))
        logger.info("model", request=request.kind, made=request.made, deleted=deleted)
        return _made(request)
    name = request.property("ModelName")
    fetched = models.put(name, time_left)
    logger.info("model", request=request.kind, made=models.uri(name), fetched=fetched)
    return models.uri(name)


def _outcome(request: Request, work: TimedWork[str], seconds: float, logger: Logger) -> Result:
    """What failed keeps the id that it had: CloudFormation deletes what has another."""
    try:
        return Result(work.result(seconds))
    except ImageSearchError as error:
        trouble = "; ".join(filter(None, (error.message, error.hint)))
    except Exception as error:  # CloudFormation must hear of this one, too
        logger.exception("the request broke down")
        trouble = f"{type(error).__name__}: {error}"
    return Result(_made(request), f"{trouble}. {ADVICE[request.kind]}.")


def _made(request: Request) -> str:
    return request.made or f"{request.name}-{NOT_MADE}"


def _seconds(context: Any) -> float:
    return float(context.get_remaining_time_in_millis()) / 1000
