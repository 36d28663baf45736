"""Claims: each finding of checkov is explained, and each package and library has a license.

`make audit` runs checkov itself; docs/reference/licenses.md is compared in test_docs.py.
"""

from importlib.metadata import distribution

import pytest
import yaml

from audit.template import EXPLANATIONS, differences, explained, findings
from docs.reference_pages import licenses
from tests.support.aws.template import load_template


def test_each_explanation_states_a_reason_for_resources_of_the_template():
    for check, each in yaml.safe_load(EXPLANATIONS.read_text()).items():
        assert check.startswith("CKV")
        assert each["check"]
        assert len(each["reason"]) > 20
        assert set(each["resources"]) <= load_template()["Resources"].keys()


def test_findings_and_explanations_must_be_equal():
    report = {
        "results": {
            "failed_checks": [
                {"check_id": "CKV_1", "resource": "AWS::S3::Bucket.Images"},
                {"check_id": "CKV_1", "resource": "AWS::S3::Bucket.Derived"},
            ]
        }
    }
    known = explained("CKV_1: {resources: [Images]}\nCKV_2: {resources: [Search]}")
    assert findings(report) == {"CKV_1": {"Images", "Derived"}}
    assert list(differences(findings(report), known)) == [
        "CKV_1 of Derived is not explained: fix it, or explain it",
        "CKV_2 of Search is explained and no longer found: remove it",
    ]
    assert not list(differences(findings(report), findings(report)))


def test_every_package_has_a_license_and_the_layer_is_a_part_of_the_local_install():
    packages = licenses.packages()
    assert all(each.license for each in packages)
    assert {each.name for each in packages if each.in_layer} == {
        name for name, _ in licenses.pins(licenses.LAYER)
    }


def test_a_package_without_a_known_license_is_refused(monkeypatch):
    monkeypatch.setattr(licenses, "SPDX", {})
    with pytest.raises(LookupError, match="has no license of SPDX"):
        licenses.packages()


@pytest.mark.parametrize("package", sorted(licenses.BUNDLED))
def test_every_shared_library_of_a_wheel_is_listed(package):
    known = tuple(licenses.BUNDLED[package])
    libraries = [
        path.name
        for path in distribution(package).files or ()
        if path.parts[0].endswith(".libs") and ".so" in path.name
    ]
    assert [name for name in libraries if not name.startswith(known)] == []
