"""The mount points of a folder's files at the last run, stored next to the index as JSON."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from imagesearch.adapters.filesystem.mounts import MountPoint
from imagesearch.json_objects import json_object

FILE_NAME = "places.json"

log = logging.getLogger(__name__)


def load_mount_points(directory: Path) -> dict[str, MountPoint]:
    """The mount points by key; empty if the file is missing or invalid."""
    try:
        stored = json_object((directory / FILE_NAME).read_bytes())
        return {str(key): MountPoint(**fields) for key, fields in stored.items()}
    except (OSError, ValueError, TypeError):
        return {}


def save_mount_points(directory: Path, mount_points: Mapping[str, MountPoint]) -> None:
    """Replace the file atomically; on an error, the previous file stays."""
    stored = {key: asdict(each) for key, each in sorted(mount_points.items())}
    part = directory / f"{FILE_NAME}.part"
    try:
        part.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")
        part.replace(directory / FILE_NAME)
    except OSError as error:
        log.warning("cannot write %s to %s: %s", FILE_NAME, directory, error.strerror)
