"""Claims: each command has two examples that it accepts; messages name commands."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import imagesearch
from local.cli import app
from local.errors import with_commands
from local.examples import EXAMPLES
from local.terminal.completion import installed_model_names, label_set_names, model_names

ROOT: Any = typer.main.get_command(app)
CONTEXT = ROOT.make_context("imagesearch", [], resilient_parsing=True)


def commands(
    group: Any = ROOT, context: Any = CONTEXT, before: str = ""
) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            child = type(context)(command, info_name=name, parent=context)
            yield from commands(command, child, f"{name} ")
        else:
            yield before + name, command


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_two_examples_that_parse(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGESEARCH_DATA_DIR", str(tmp_path))
    assert COMMANDS[name].epilog.count("  imagesearch ") == 2
    for example in EXAMPLES[name]:
        words = shlex.split(example.partition(" >")[0])
        assert " ".join(words[: len(name.split())]) == name
        COMMANDS[name].make_context(name, words[len(name.split()) :])


def test_messages_name_commands_and_not_routes() -> None:
    assert with_commands("there is no label set 'x'; create it with PUT /v1/labelsets/{name}") == (
        "there is no label set 'x'; create it with `imagesearch labels put NAME FILE`"
    )


def test_no_message_of_a_use_case_names_a_route() -> None:
    """Errors of use cases and hints of the API are printed with the command's name."""
    root = Path(imagesearch.__file__).parent
    texts = {
        node.value
        for file in root.rglob("*.py")
        if "client" not in file.parts
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    routes = {text for text in texts if re.search(r"\b[A-Z]+ /", text)}
    assert routes
    for text in routes:
        assert not re.search(r"\b[A-Z]+ /|/v1/", with_commands(text)), text


def test_models_complete_and_label_sets_need_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGESEARCH_DATA_DIR", str(tmp_path))
    assert installed_model_names("") == ["starter"]
    assert "siglip2-b-16" in model_names("si")
    assert label_set_names(CONTEXT, "") == []
