"""Errors of API Gateway, which the local server sends, too, before a request reaches a handler.

The texts are those of the gateway responses in template.yaml, as far as that has them.
"""

from imagesearch.domain.errors import ImageSearchError

# The request line and all headers on one machine; API Gateway takes 10,240 bytes.
MAX_HEADER_BYTES = 16 * 2**10


def unauthorized() -> ImageSearchError:
    """401, from API Gateway only: with Access=Cognito."""
    return ImageSearchError(
        "The token is missing or expired.",
        "Sign in to the user pool and send the ID token in the header authorization.",
        "unauthorized",
    )


def forbidden() -> ImageSearchError:
    """403."""
    return ImageSearchError(
        "The API key is missing or wrong.", "Send the key in the header x-api-key.", "forbidden"
    )


def too_many_requests() -> ImageSearchError:
    """429, from API Gateway only."""
    return ImageSearchError(
        "Too many requests.",
        "Retry after the number of seconds in the header Retry-After.",
        "too_many_requests",
    )


def headers_too_large() -> ImageSearchError:
    """431."""
    return ImageSearchError(
        f"the request line and the headers have more than {MAX_HEADER_BYTES:,} bytes",
        "send shorter headers, and long queries with POST",
        "bad_request",
    )


def function_failed() -> ImageSearchError:
    """502, from API Gateway only: the function crashed, or reached its limit of time or memory."""
    return ImageSearchError(
        "Internal error.", "Retry; if the error persists, report it to the operator."
    )


def timed_out() -> ImageSearchError:
    """504, from API Gateway only."""
    return ImageSearchError(
        "The request timed out.", "Retry, or send a smaller request.", "timeout"
    )
