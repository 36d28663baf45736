"""The Lambda handler of the model's custom resource: responds to every request, and in time."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from aws_lambda_powertools import Logger

from imagesearch.domain.errors import ImageSearchError, ModelRefused
from imagesearch.downloads.model_store import Deadline, OutOfTime, S3ModelStore

from .cloudformation import RESPONSE_SECONDS, Request, ResponseSender, Result, read_event

T = TypeVar("T")
Handler: TypeAlias = Callable[[Any, Any], None]
StoreFactory: TypeAlias = Callable[[str, str, str], S3ModelStore]
SHUTDOWN_SECONDS = 5  # for stopped work, and for Lambda itself
NOT_CREATED = "was-not-made"
REFUSED_HINT = "Set ModelName to another model"
HINTS = {
    "Create": "Deploy again later, set ModelSource to a mirror, or deploy with ModelName=starter",
    "Update": "Deploy again later, or set ModelSource to a mirror; the previous model stays in use",
    "Delete": "Empty the bucket of models manually, and delete the stack again",
}


class DeadlineTask(Generic[T]):
    """Work with a deadline, in a thread of its own: a blocked socket cannot be interrupted."""

    def __init__(self, work: Callable[[Deadline], T], seconds: float) -> None:
        self._work = work
        self._deadline = Deadline(seconds)
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self, seconds: float) -> T:
        """The result of the work, after at most `seconds`.

        Raises the error of the work, or OutOfTime at the deadline.
        """
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self._deadline.end()
            raise OutOfTime(f"the model was not in place after {seconds:.0f} seconds", "try again")
        if self._error:
            raise self._error
        return self._result[0]

    def stop(self, seconds: float) -> None:
        """Let the work clean up, for at most `seconds`.

        Lambda would freeze a thread that still runs, and resume it during another request.
        """
        self._deadline.end()
        self._thread.join(max(0.0, seconds))

    def _run(self) -> None:
        try:
            self._result.append(self._work(self._deadline))
        except BaseException as error:
            self._error = error


def make_handler(store: StoreFactory, sender: ResponseSender, logger: Logger) -> Handler:
    """The handler. Raises NotARequest, and ResponseNotSent, after which Lambda retries."""

    def handle(event: Any, context: Any) -> None:
        request = read_event(event)
        logger.append_keys(request_id=getattr(context, "aws_request_id", None))
        seconds = _seconds_left(context) - RESPONSE_SECONDS - SHUTDOWN_SECONDS
        task = DeadlineTask(lambda deadline: _apply(request, store, deadline, logger), seconds)
        result = _result(request, task, seconds, logger)
        if result.error:
            logger.error(
                "model", request=request.type, made=result.resource_id, reason=result.error
            )
        sender.send(request, result)
        task.stop(_seconds_left(context) - 1)

    return handle


def _apply(request: Request, store: StoreFactory, deadline: Deadline, logger: Logger) -> str:
    """Create, update or delete the model. Returns the physical ID: the URI of the model."""
    if request.type == "Delete":
        return _delete(request, store, logger)
    models = store(
        request.property("Bucket"), request.property("Part"), request.optional_property("Source")
    )
    name = request.property("ModelName")
    fetched = models.put(name, deadline)
    logger.info("model", request=request.type, made=models.uri(name), fetched=fetched)
    return models.uri(name)


def _delete(request: Request, store: StoreFactory, logger: Logger) -> str:
    resource_id = _resource_id(request)
    bucket, part = (request.properties.get(name) for name in ("Bucket", "Part"))
    if resource_id.endswith(NOT_CREATED) and not (bucket and part):
        return resource_id  # of a request that failed for this reason
    models = store(request.property("Bucket"), request.property("Part"), "")
    try:
        deleted = models.remove(resource_id)
    except ImageSearchError as error:
        # Without a model there is rarely an object, and a failure would block the rollback.
        if not resource_id.endswith(NOT_CREATED):
            raise
        logger.warning("model", request=request.type, reason=error.message)
        return resource_id
    logger.info("model", request=request.type, made=request.resource_id, deleted=deleted)
    return resource_id


def _result(request: Request, task: DeadlineTask[str], seconds: float, logger: Logger) -> Result:
    """A failure keeps the physical ID: CloudFormation deletes the resource of a replaced ID."""
    try:
        return Result(task.result(seconds))
    except ModelRefused as error:
        return Result(_resource_id(request), f"{error.message}. {REFUSED_HINT}.")
    except ImageSearchError as error:
        reason = "; ".join(filter(None, (error.message, error.hint)))
    except Exception as error:  # CloudFormation needs a response to unexpected errors too
        logger.exception("request failed")
        reason = f"{type(error).__name__}: {error}"
    return Result(_resource_id(request), f"{reason}. {HINTS[request.type]}.")


def _resource_id(request: Request) -> str:
    return request.resource_id or f"{request.name}-{NOT_CREATED}"


def _seconds_left(context: Any) -> float:
    return float(context.get_remaining_time_in_millis()) / 1000
