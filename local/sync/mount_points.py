"""Where a folder's files lay when they were last seen: kept beside the index, as JSON."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from imagesearch.adapters.filesystem.mounts import Place

PLACES = "places.json"

log = logging.getLogger(__name__)


def load_places(directory: Path) -> dict[str, Place]:
    """The places by their keys; none where nothing was kept, or nothing that can be read."""
    try:
        kept = json.loads((directory / PLACES).read_text())
        return {str(key): Place(**place) for key, place in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save_places(directory: Path, places: Mapping[str, Place]) -> None:
    """Whole or not at all. Where that fails, the places of before stay known."""
    kept = {key: asdict(place) for key, place in sorted(places.items())}
    part = directory / f"{PLACES}.part"
    try:
        part.write_text(json.dumps(kept, indent=2) + "\n")
        part.replace(directory / PLACES)
    except OSError as error:
        log.warning("cannot keep %s in %s: %s", PLACES, directory, error.strerror)
