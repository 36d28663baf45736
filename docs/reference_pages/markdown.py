"""Markdown: tables, anchors, and the text of values."""

import re
from collections.abc import Iterable, Iterator, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    yield from map(_row, rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    escaped = [" ".join(str(cell).split()).replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"


def paragraphs(text: str | None) -> list[str]:
    return (text or "").strip().splitlines()


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def default_value(value: object) -> str:
    if value in (None, ""):
        return ""
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"
