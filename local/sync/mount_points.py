"""The mount points of a folder's files at the last run, stored next to the index as JSON."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from imagesearch.adapters.filesystem.mounts import Place

PLACES = "places.json"

log = logging.getLogger(__name__)


def load_places(directory: Path) -> dict[str, Place]:
    """The places by key; empty if the file is missing or invalid."""
    try:
        stored = json.loads((directory / PLACES).read_text())
        return {str(key): Place(**place) for key, place in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save_places(directory: Path, places: Mapping[str, Place]) -> None:
    """Replace the file atomically; on an error, the previous file stays."""
    stored = {key: asdict(place) for key, place in sorted(places.items())}
    part = directory / f"{PLACES}.part"
    try:
        part.write_text(json.dumps(stored, indent=2) + "\n")
        part.replace(directory / PLACES)
    except OSError as error:
        log.warning("cannot write %s to %s: %s", PLACES, directory, error.strerror)
