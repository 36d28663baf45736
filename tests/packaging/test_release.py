"""The digest that `make deploy` hands over as Release: another as soon as anything deployed is."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def release(parameters: str = "") -> str:
    """What make would run, without running it."""
    command = ["make", "--dry-run", "deploy", f"PARAMETERS={parameters}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (found,) = re.findall(r"Release=([0-9a-f]{40}) ", done.stdout)
    return found


def test_the_same_settings_are_the_same_release():
    assert release("ModelName=clip-vit-b-32") == release("ModelName=clip-vit-b-32")


def test_another_model_is_another_release():
    models = ("", "ModelName=clip-vit-b-32", "NextModelName=clip-vit-b-32")
    assert len({release(each) for each in models}) == len(models)
