"""Command blocks of README, CONTRIBUTING and docs/, each with its marker.

tests/e2e/test_readme.py runs blocks without a marker. A marker is a comment on the line before the
block: `<!-- serves -->` for a server, `<!-- needs: aws -->` for requirements that tests lack.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import REPOSITORY

LANGUAGES = ("sh", "console", "python")
MARKERS = (
    "",
    "serves",
    "needs: aws",
    "needs: opensearch",
    "needs: docker",
    "needs: network",
    "needs: model",
    "runs in: .ci/run",
)
_BLOCK = re.compile(
    r"(?:^[ ]*<!-- ?(?P<marker>[^\n]*?) ?-->\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    marker: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def blocks() -> Iterator[Block]:
    """All command blocks of all pages."""
    pages = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md"]
    for page in [*pages, *sorted((REPOSITORY / "docs").rglob("*.md"))]:
        text = page.read_text()
        for found in _BLOCK.finditer(text):
            if found["language"] in LANGUAGES:
                yield Block(
                    page,
                    text.count("\n", 0, found.start()) + 1,
                    found["language"],
                    found["marker"] or "",
                    textwrap.dedent(found["text"]),
                )
