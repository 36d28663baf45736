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
_ROUTE = re.compile(r"((?:GET|POST|PUT|DELETE) /v1/[a-z]+)[\w/{}-]*")


def error_text(error: ImageSearchError) -> str:
    """The message and the hint of an error, which name commands in place of HTTP routes."""
    return with_commands("; ".join(filter(None, (error.message, error.hint))))


def with_commands(message: str) -> str:
    """The message with commands in place of the HTTP routes that it names."""
    return _ROUTE.sub(lambda route: _COMMANDS.get(route[1], route[0]), message)
