"""Exceptions: one class for each way in which a caller reacts to an error.

Each handler maps the classes to HTTP statuses or retries in one place.
"""


class ImageSearchError(Exception):
    """Base class: `message` states the error, `hint` the remedy, `code` identifies the error."""

    code = "internal_error"

    def __init__(self, message: str, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.code


class InvalidQuery(ImageSearchError):
    """The caller must change the request."""

    code = "invalid_query"


class NotAllowed(ImageSearchError):
    """The operation is disabled, or the API key does not permit it."""

    code = "not_allowed"


class NotFound(ImageSearchError):
    """The named resource does not exist."""

    code = "not_found"


class PayloadTooLarge(ImageSearchError):
    """The request or a file exceeds a limit of its size."""

    code = "image_too_large"


class UnsupportedMediaType(ImageSearchError):
    """The media type of the request body is not supported."""

    code = "unsupported_media_type"


class UnreadableImage(ImageSearchError):
    """This version of the decoder cannot decode the file: reject the image, do not retry."""

    code = "unreadable_image"


class OutOfTime(UnreadableImage):
    """The deadline of the request passed before the image was decoded: a retry may succeed."""

    code = "decoder_timeout"


class UnreadableObject(ImageSearchError):
    """The object exists, but its content cannot be read without action by an operator.

    An archived object is an example. Reject the image and do not retry; the content is requested
    again each time the key is processed.
    """

    code = "unreadable_object"


class ObjectChanged(ImageSearchError):
    """The object changed after its state was read: process the key again."""

    code = "object_changed"


class Unavailable(ImageSearchError):
    """A required service did not respond: the same request may succeed later."""

    code = "unavailable"


class Unreachable(Unavailable):
    """The existence of an object cannot be determined without action by an operator.

    Examples are an unmounted disk, a missing permission and a network share that does not respond.
    Keep the index entry and do not retry immediately; the next synchronization includes the key.
    """


class UnusableReport(ImageSearchError):
    """There is no report of the bucket's inventory that can be used: list the bucket instead."""

    code = "unusable_report"


class ModelRefused(ImageSearchError):
    """The self-test of a model failed: the model must not be used."""

    code = "model_refused"


class ConfigurationError(ImageSearchError):
    """The configuration is invalid, and an operator must correct it."""

    code = "configuration_error"


class DamagedIndex(ConfigurationError):
    """The index's own storage is damaged beyond single records: the index must be repaired."""

    code = Unavailable.code
