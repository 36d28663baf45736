"""Errors of the command line, which `local.cli` maps to messages and exit statuses."""


class UsageError(Exception):
    """The command cannot run as typed; the message gives cause and correction (status 2)."""


class Interrupted(Exception):
    """The user stopped the command with Ctrl-C; the message states what was saved (status 130)."""
