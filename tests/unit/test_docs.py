"""Claims of the documentation: links lead to files, headings and tests; formats and events are
complete; the reference is fresh; each command exists; and each command block is run or marked."""

import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from imagesearch.domain.media_types import EXTENSIONS
from local.cli import app
from tests.support.command_blocks import MARKERS, Block, blocks
from tests.support.paths import EVENTS, REPOSITORY

ROOT = REPOSITORY
REFERENCE = ROOT / "docs/reference"
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "models/README")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
BLOCKS = list(blocks())
_PACKAGE = ROOT / "layers/imagesearch/imagesearch"
# Packages whose prefix can be omitted in text.
MODULES = (ROOT, _PACKAGE.parent, _PACKAGE, _PACKAGE / "embedding/decoding")
# Requirements that the text around a marked block must mention.
MENTIONS = {
    "needs: aws": "AWS",
    "needs: opensearch": "OpenSearch",
    "needs: docker": "Docker",
    "needs: network": "network",
    "needs: model": "model",
}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The file and anchor of each link within the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            name, _, place = target.partition("#")
            yield (page.parent / name).resolve() if name else page, place


def places(file: Path) -> set[str]:
    """The anchors of a file: names of tests, or headings in the format of GitHub."""
    text = file.read_text()
    if file.suffix == ".py":
        return set(re.findall(r"^def (test_\w+)", text, re.MULTILINE))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_table_of_formats_has_every_extension_that_is_read_and_no_other() -> None:
    text = (REFERENCE / "formats.md").read_text()
    rows = [row.split("|") for row in text.splitlines() if row.startswith("|")]
    listed = re.findall(r"`(\.[a-z0-9]+)`", " ".join(row[2] for row in rows))
    assert sorted(listed) == sorted(EXTENSIONS)


def test_every_event_file_is_listed() -> None:
    text = (REFERENCE / "events.md").read_text()
    for event in EVENTS.glob("*.json"):
        assert f"`{event.name}`" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_resolves(page: Path) -> None:
    for file, place in links(page):
        assert file.exists(), file
        assert not place or place in places(file), f"{file}#{place}"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "CHANGELOG.md" and "models" not in page.parts],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_modules_named_in_the_text_exist(page: Path) -> None:
    for name in re.findall(r"`([\w/]+\.py)`", page.read_text()):
        if "NAME" not in name:
            assert any((folder / name).exists() for folder in MODULES), name


def test_modules_of_the_diagram_exist() -> None:
    text = (ROOT / "docs/explanation/how-it-works.md").read_text()
    [diagram] = re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)
    names = re.findall(r"\b[a-z_]+(?:\.[a-z_]+)+\b", diagram.replace("manifest.json", ""))
    assert len(names) > 10
    for name in names:
        path = _PACKAGE / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), name


def test_every_page_is_linked_from_the_index() -> None:
    reached, waiting = set(), [ROOT / "docs/README.md"]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            waiting += [file for file, _ in links(page)]
    assert [page for page in (ROOT / "docs").rglob("*.md") if page not in reached] == []


def test_the_reference_is_up_to_date() -> None:
    generator = runpy.run_path(str(ROOT / "docs/generate_reference.py"))
    pages, notice = generator["pages"](), generator["NOTICE"]
    written = {path.name: path.read_text() for path in REFERENCE.glob("*.md")}
    generated = {name for name, text in written.items() if text.startswith(notice)}
    stale = sorted(
        name for name in pages.keys() | generated if pages.get(name) != written.get(name)
    )
    assert not stale, f"docs/reference/ is not fresh ({', '.join(stale)}): run `make docs`"


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    changes = (ROOT / "CHANGELOG.md").read_text().replace("## Unreleased\n", "")
    [newest, *_] = re.findall(r"^## (\S+)", changes, re.MULTILINE)
    assert newest == project["version"]


def test_pre_commit_runs_the_linters_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = " ".join(hook["entry"] for repo in hooks for hook in repo["hooks"])
    assert {repo["repo"] for repo in hooks} == {"local"}
    for linter in ("ruff check", "ruff format --check", "mypy", "lint-imports", "cfn-lint"):
        assert linter in entries
    assert "sam validate --lint" in entries


def test_ci_runs_the_script_with_pinned_actions() -> None:
    [workflow] = (ROOT / ".github/workflows").glob("*.yml")
    text = workflow.read_text()
    assert "run: .ci/run" in text
    assert re.findall(r"uses: (?!\S+@[0-9a-f]{40} )", text) == []
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_the_length_of_the_readme_is_limited() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_run_or_marked_with_its_requirements(block: Block) -> None:
    """tests/e2e/test_readme.py runs the blocks without a marker."""
    assert block.marker in MARKERS, f"{block}: the marker must be one of {MARKERS}"
    if mention := MENTIONS.get(block.marker):
        text = re.sub(r"<!--.*?-->|```.*?```", "", block.page.read_text(), flags=re.DOTALL)
        assert mention in text, f"{block}: the text does not mention {mention}"


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each `imagesearch` command in a block."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        if words and words[0].rpartition("/")[2] == "imagesearch":
            yield words[1:]


@pytest.mark.parametrize("block", [block for block in BLOCKS if any(commands(block))], ids=str)
def test_commands_and_their_options_exist(block: Block) -> None:
    root: Any = typer.main.get_command(app)
    for words in commands(block):
        command, context = root, root.make_context("imagesearch", [], resilient_parsing=True)
        while hasattr(command, "get_command"):
            name = words.pop(0)
            found = command.get_command(context, name)
            assert found is not None, f"{block}: no command {name}"
            context = type(context)(found, info_name=name, parent=context)
            command = found
        known = {option for each in command.get_params(context) for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= known, block


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if "PARAMETERS=" in block.text], ids=str
)
def test_parameters_exist_in_the_template(block: Block) -> None:
    template = (ROOT / "template.yaml").read_text()
    for given in re.findall(r'PARAMETERS="([^"]*)"', block.text):
        for parameter in re.findall(r"(?:^| )(\w+)=", given):
            assert f"\n  {parameter}:\n    Type:" in template, parameter


@pytest.mark.parametrize("block", [each for each in BLOCKS if " -m " in each.text], ids=str)
def test_modules_that_are_run_exist(block: Block) -> None:
    for module in re.findall(r"python -m ((?:models|benchmarks|local)[\w.]*)", block.text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_sam_local_lines_name_functions_and_events_that_exist() -> None:
    template = (ROOT / "template.yaml").read_text()
    variables = (ROOT / "sam-local.json").read_text()
    lines = [line for block in BLOCKS for line in block.text.splitlines() if "sam local" in line]
    assert lines
    for line in lines:
        words = shlex.split(line)
        function, event = words[3], words[words.index("--event") + 1]
        assert f"\n  {function}:\n" in template
        assert f'"{function}"' in variables
        assert (ROOT / event).exists()
