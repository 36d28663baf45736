"""JSON objects that this program has stored, and that may be damaged."""

import json
from typing import Any


def json_object(text: str | bytes) -> dict[str, Any]:
    """The object in a JSON text. Raises ValueError for any other text or value."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
    return found
