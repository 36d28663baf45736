"""Paths in the repository that tests read."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = REPOSITORY / "tests"
SAMPLES = REPOSITORY / "samples"
EVENTS = REPOSITORY / "events"
STARTER_MODEL = REPOSITORY / "layers/starter_model/starter_model"
