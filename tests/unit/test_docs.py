"""What the documentation leads to is there: files, headings, and the tests that prove a claim."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesearch.domain.media_types import EXTENSIONS
from tests.support.paths import REPOSITORY

ROOT = REPOSITORY
PAGES = [
    *(
        path
        for name in ("README", "CONTRIBUTING", "CHANGELOG", "models/README")
        if (path := ROOT / f"{name}.md").exists()
    ),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Each link within the repository: the file, and the place in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            name, _, place = target.partition("#")
            yield (page.parent / name).resolve() if name else page, place


def places(file: Path) -> set[str]:
    """What may stand behind `#`: a test's name, or a heading as GitHub writes it."""
    text = file.read_text()
    if file.suffix == ".py":
        return set(re.findall(r"^def (test_\w+)", text, re.MULTILINE))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_table_of_formats_has_every_ending_that_is_read_and_no_other() -> None:
    section = re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    [formats] = [part for part in section if part.startswith("Formats")]
    rows = [row.split("|") for row in formats.splitlines() if row.startswith("|")]
    told = re.findall(r"`(\.[a-z0-9]+)`", " ".join(row[2] for row in rows))
    assert sorted(told) == sorted(EXTENSIONS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for file, place in links(page):
        assert file.exists(), file
        assert not place or place in places(file), f"{file}#{place}"


def test_the_reference_is_generated_from_the_code_of_today() -> None:
    pages = runpy.run_path(str(ROOT / "docs/generate_reference.py"))["pages"]()
    written = {path.name: path.read_text() for path in (ROOT / "docs/reference").iterdir()}
    stale = sorted(name for name in pages | written if pages.get(name) != written.get(name))
    assert not stale, f"docs/reference/ is not fresh ({', '.join(stale)}): run `make docs`"
