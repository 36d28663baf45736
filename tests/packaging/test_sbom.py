"""Claims: the bills of materials list what the lock files pin, and are reproducible."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from docs.reference_pages import licenses
from tests.packaging.conftest import ROOT, missing
from tests.support.waiting import run


@pytest.fixture(scope="module")
def audit_python() -> Path:
    found = ROOT / ".venv-audit/bin/python"
    return found if found.exists() else missing("no .venv-audit: make setup-audit")


@pytest.fixture(scope="module")
def written(audit_python, tmp_path_factory) -> list[dict[str, bytes]]:
    """The files of two runs at the same time of the source."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1800000000"}
    runs = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("sbom")
        done = run([audit_python, "-m", "audit.sbom", folder], cwd=ROOT, env=environment)
        assert done.returncode == 0, done.stderr
        runs.append({path.name: path.read_bytes() for path in folder.iterdir()})
    return runs


def test_two_runs_write_the_same_bytes(written):
    first, second = written
    assert first == second


@pytest.mark.parametrize(
    ("name", "lock"),
    [("imagesearch-layer", licenses.LAYER), ("imagesearch-local", licenses.LOCAL)],
)
def test_a_bill_lists_each_package_with_version_license_and_digests(written, name, lock):
    bill: dict[str, Any] = json.loads(written[0][f"{name}.cdx.json"])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {
        (each["name"], each["version"]): each
        for each in bill["components"]
        if each["type"] == "library"
    }
    assert set(components) == set(licenses.pins(lock))
    for each in components.values():
        assert each["licenses"][0]["expression"]
        assert each["properties"], "the digests of its files"
    models = [each for each in bill["components"] if each["type"] == "machine-learning-model"]
    assert [each["name"] for each in models if each.get("hashes")] == ["starter"]
    assert {each["name"] for each in models} == {name for name, _, _ in licenses.models()}
