"""The page of the command line, from the typer application."""

from collections.abc import Iterator
from typing import Any

import typer

from docs.reference_pages.markdown import paragraphs, table
from local.cli import app


def command_line() -> Iterator[str]:
    yield from ("# Command line", "", "`imagesearch COMMAND --help` prints the same.", "")
    root: Any = typer.main.get_command(app)
    context = root.make_context("imagesearch", [], resilient_parsing=True)
    yield from _command("imagesearch", root, context)
    yield "## Exit statuses"
    yield ""
    yield from table(
        ("status", "meaning"),
        [
            ("0", "Success."),
            (
                "1",
                "Images are rejected, failed or kept, a model is refused, or the state asked for is"
                " not reached.",
            ),
            ("2", "Usage or configuration error; the message names it."),
            ("130", "Interrupted (Ctrl-C)."),
        ],
    )


def _command(name: str, command: Any, context: Any) -> Iterator[str]:
    yield from (f"## {name}", "", *paragraphs(command.help), "")
    parameters = [each for each in command.get_params(context) if not each.hidden]
    arguments = [each for each in parameters if not each.opts[0].startswith("-")]
    options = [each for each in parameters if each.opts[0].startswith("-")]
    for title, rows in (("argument", arguments), ("option", options)):
        if rows := [row for row in map(_parameter, rows) if "`--help`" not in row[0]]:
            yield from table((title, "default", "description"), rows)
    if command.epilog:
        yield from ("```text", *command.epilog.splitlines()[2:], "```", "")
    for sub in getattr(command, "list_commands", lambda _: ())(context):
        child = command.get_command(context, sub)
        yield from _command(
            f"{name} {sub}", child, type(context)(child, info_name=sub, parent=context)
        )


def _parameter(parameter: Any) -> tuple[str, str, str]:
    shown = " ".join(f"`{each}`" for each in parameter.opts)
    if not parameter.opts[0].startswith("-"):
        shown = f"`{parameter.metavar or parameter.name.upper()}`"
    elif parameter.metavar:
        shown += f" `{parameter.metavar}`"
    default = "required" if parameter.required else ""
    if parameter.default not in (None, False, ..., ()):
        shown_default = str(parameter.default)
        default = shown_default if " " in shown_default else f"`{shown_default}`"
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    bounds = f" From {least:g} to {most:g}." if least is not None and most is not None else ""
    return shown, default, (parameter.help or "") + bounds
