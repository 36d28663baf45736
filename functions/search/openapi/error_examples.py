"""Examples of errors in the OpenAPI document, from the functions that make the errors."""

from collections.abc import Callable, Mapping

from imagesearch.adapters.web_images import not_an_image
from imagesearch.classification.examples import example_not_found
from imagesearch.classification.label_sets import label_set_not_found
from imagesearch.domain.errors import ImageSearchError, Unavailable, UnreadableImage
from imagesearch.search.query_encoder import indexed_image_not_found
from imagesearch.uploads import image_not_found

from ..errors import internal_error
from ..gateway_errors import (
    forbidden,
    function_failed,
    headers_too_large,
    timed_out,
    too_many_requests,
    unauthorized,
)
from ..requests import MAX_JSON, MAX_RAW_IMAGE, body_too_large, image_too_large, unsupported_body
from ..routing import Operation

# A parameter, an image ID and a label set that do not exist.
UNKNOWN = "unknown"
REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
# The text of the decoder for a file with text; its module imports Pillow, which search does not.
UNREADABLE = UnreadableImage(
    "not an image: the content is text",
    "send a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC, JPEG XL or camera RAW image",
    "not_an_image",
)


def example_of(status: int, operation: Operation) -> ImageSearchError:
    """An error that an operation answers with this status."""
    return _EXAMPLES[status](operation)


def _not_found(operation: Operation) -> ImageSearchError:
    """A label set need not exist to be written; the images that are its examples must exist."""
    if operation.method == "PUT":
        return example_not_found("an owl", UNKNOWN)
    if operation.path.startswith("/v1/labelsets/"):
        return label_set_not_found(UNKNOWN)
    deletes = operation.method == "DELETE"
    return image_not_found(UNKNOWN) if deletes else indexed_image_not_found(UNKNOWN)


def _too_large(operation: Operation) -> ImageSearchError:
    if operation.body and operation.body.accepts_image:
        return image_too_large(MAX_RAW_IMAGE + 1, MAX_RAW_IMAGE)
    return body_too_large(MAX_JSON + 1)


def _unreadable(operation: Operation) -> ImageSearchError:
    """An upload is decoded later; one by URL must begin like an image."""
    by_url = operation.method == "POST" and operation.path == "/v1/images"
    return not_an_image() if by_url else UNREADABLE


_EXAMPLES: Mapping[int, Callable[[Operation], ImageSearchError]] = {
    400: lambda operation: operation.unknown_parameter(UNKNOWN),
    401: lambda _: unauthorized(),
    403: lambda _: forbidden(),
    404: _not_found,
    413: _too_large,
    415: lambda _: unsupported_body(),
    422: _unreadable,
    429: lambda _: too_many_requests(),
    431: lambda _: headers_too_large(),
    500: lambda _: internal_error(REQUEST_ID),
    502: lambda _: function_failed(),
    503: lambda _: Unavailable(""),
    504: lambda _: timed_out(),
}
