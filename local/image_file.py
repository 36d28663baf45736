"""Reads the file of an image that something is asked about."""

from pathlib import Path

from imagesearch.batches import Limits
from local.errors import WrongUsage

# An image that can be indexed can be asked about: nothing here goes through an API's limits.
MOST_BYTES = Limits().file_bytes


def image_bytes(image: Path) -> bytes:
    """Raises WrongUsage for a file that cannot be read, or is too large."""
    try:
        with image.expanduser().open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise WrongUsage(f"cannot read {image}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise WrongUsage(f"{image} has more than {MOST_BYTES:,} bytes: save a smaller copy")
    return data
