"""Restore: connections are renewed after a start from a snapshot."""

import os
import subprocess
import sys

import pytest

from imagesearch.bootstrap import after_restore
from tests.support.paths import STARTER_MODEL

pytestmark = pytest.mark.slow

RUNTIME = """
registered = []
register_after_restore = registered.append
"""
FUNCTION = """
import snapshot_restore_py
from imagesearch import bootstrap
from imagesearch.settings import Settings
settings = Settings(bucket="b", index_url="http://127.0.0.1:1", model_uri=%r)
index = bootstrap.vector_index(settings)
assert snapshot_restore_py.registered == [index.close]
"""
MODEL = STARTER_MODEL


def test_an_action_is_registered():
    left = []
    after_restore(left.clear, left.append)
    assert left == [left.clear]


def test_nothing_is_registered_without_snapshots():
    after_restore(lambda: None)


def test_on_lambda_the_index_drops_its_connections_after_a_restore(tmp_path):
    """Simulates the module that exists only in the Lambda runtime."""
    (tmp_path / "snapshot_restore_py.py").write_text(RUNTIME)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", FUNCTION % str(MODEL)], env=environment, check=True)
