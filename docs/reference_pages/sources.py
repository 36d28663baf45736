"""Files of the repository from which pages are generated."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read_text(name: str) -> str:
    """The text of a file, by its path in the repository."""
    return (ROOT / name).read_text("utf-8")
