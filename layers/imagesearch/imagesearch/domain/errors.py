"""The errors of imagesearch: one class for each decision that a caller takes.

A handler maps them to an HTTP status or to a retry at one place; nothing else looks inside.
"""


class ImageSearchError(Exception):
    """Says what was wrong (`message`), what to do next (`hint`), and a `code` for programs."""

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
    """The operator has not allowed this here."""

    code = "not_allowed"


class NotFound(ImageSearchError):
    """What the caller names is not there."""

    code = "not_found"


class PayloadTooLarge(ImageSearchError):
    """The request is over a stated limit in bytes."""

    code = "image_too_large"


class UnsupportedMediaType(ImageSearchError):
    """The request body is of a kind that is not read here."""

    code = "unsupported_media_type"


class UnreadableImage(ImageSearchError):
    """These bytes will never decode with this decoder: reject the image, do not retry it."""

    code = "unreadable_image"


class UnreadableObject(ImageSearchError):
    """The store holds the object and does not give its bytes until somebody acts.

    Reject the image and do not retry it; at each later look it is tried again.
    """

    code = "unreadable_object"


class ObjectChanged(ImageSearchError):
    """The object is no longer what was looked at: look again."""

    code = "object_changed"


class Unavailable(ImageSearchError):
    """A service that is needed did not answer: the same request may succeed later."""

    code = "unavailable"


class Unreachable(Unavailable):
    """The object cannot be seen until someone acts: what is known of it is kept.

    A disk is not mounted, a permission is missing, a share does not answer. Trying again at once
    does not help; the object is looked at again with everything else.
    """


class ConfigurationError(ImageSearchError):
    """The system cannot start as it is configured: an operator must act."""

    code = "configuration_error"
