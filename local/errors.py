"""Errors of the command line, which `local.cli` maps to messages and exit statuses."""

import re

from imagesearch.domain.errors import ImageSearchError


class UsageError(Exception):
    """The command cannot run as typed; the message gives cause and correction (status 2)."""


class Interrupted(Exception):
    """The user stopped the command with Ctrl-C; the message states what was saved (status 130)."""


# The commands that do what a route does.
_COMMANDS = {
    "PUT /v1/labelsets": "`imagesearch labels put NAME FILE`",
    "GET /v1/labelsets": "`imagesearch labels list`",
    "GET /v1/images": "`imagesearch list`",
    "GET /v1/search": "`imagesearch search`",
    "POST /v1/search": "`imagesearch search`",
    "POST /v1/classify": "`imagesearch classify`",
    "GET /v1/duplicates": "`imagesearch duplicates`",
    "GET /v1/health": "`imagesearch status`",
}
# Hints of the use cases for the API, in terms of the command line.
_HINTS = {
    "GET /openapi.json describes the request": "see `imagesearch COMMAND --help`",
    "GET /openapi.json lists the paths": "give the address of an API",
    "send `labels`, or upload images with the header x-amz-meta-label": (
        "use --labels, or put the images into subfolders that are named by their labels"
    ),
}
_ROUTE = re.compile(r"((?:GET|POST|PUT|DELETE) /v1/[a-z]+)[\w/{}-]*")


def error_text(error: ImageSearchError) -> str:
    """The message and the hint of an error, which name commands in place of HTTP routes."""
    return with_commands("; ".join(filter(None, (error.message, error.hint))))


def with_commands(message: str) -> str:
    """The message with commands in place of the HTTP routes that it names."""
    for hint, replacement in _HINTS.items():
        message = message.replace(hint, replacement)
    return _ROUTE.sub(lambda route: _COMMANDS.get(route[1], route[0]), message)
