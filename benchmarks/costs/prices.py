"""The dated list prices that all cost figures use."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def load_prices() -> dict[str, Any]:
    """Region, date, and of each price: USD, unit and source."""
    return dict(json.loads((FOLDER / "prices.json").read_text("utf-8")))


def usd() -> dict[str, float]:
    """The prices by name."""
    return {name: float(each[0]) for name, each in load_prices()["prices"].items()}
