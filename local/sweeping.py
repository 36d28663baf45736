"""Clears away what nobody asks for any more, as a bucket's lifecycle does."""

import time
from pathlib import Path

from imagesearch.domain.storage_keys import UPLOADS

KEPT_SECONDS = 86_400.0


def sweep(derived: Path, now: float | None = None) -> None:
    """Notes of uploads that are older than a day; what cannot be cleared stays for another time."""
    oldest = (time.time() if now is None else now) - KEPT_SECONDS
    for note in (derived / UPLOADS).glob("*"):
        try:
            if note.stat().st_mtime < oldest:
                note.unlink()
        except OSError:
            continue
