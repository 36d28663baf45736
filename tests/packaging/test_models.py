"""Claims about the order of creation and deletion in a stack with a model of the catalog."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def resources(translate) -> dict[str, Any]:
    named = {"ModelName": "clip-vit-b-32", "NextModelName": "multilingual-clip-vit-b-32"}
    return translate(Release="1" * 40, **named)["Resources"]


@pytest.fixture(scope="module")
def waits_for(resources):
    """The resources created before this one, with all conditions true."""

    def waits_for(name: str) -> set[str]:
        found, left = set(), [name]
        while left:
            each = resources[left.pop()]
            fresh = (named(each.get("Properties")) | depends_on(each)) & set(resources) - found
            found |= fresh
            left.extend(fresh)
        return found

    return waits_for


def depends_on(resource: dict[str, Any]) -> set[str]:
    declared = resource.get("DependsOn", [])
    return {declared} if isinstance(declared, str) else set(declared)


def named(value: Any) -> set[str]:
    """The logical IDs in `Ref`, `Fn::GetAtt` and `Fn::Sub`."""
    if isinstance(value, list):
        return set().union(*map(named, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(named, value.values()))
    if isinstance(ref := value.get("Ref"), str):
        found.add(ref)
    if got := value.get("Fn::GetAtt"):
        found.add(got[0] if isinstance(got, list) else got.split(".")[0])
    if sub := value.get("Fn::Sub"):
        text = sub if isinstance(sub, str) else sub[0]
        found |= {part.split("}")[0].split(".")[0] for part in text.split("${")[1:]}
    return found


def version_of(resources: dict[str, Any], function: str) -> str:
    alias = resources[f"{function}Aliaslive"]["Properties"]["FunctionVersion"]
    return alias["Fn::GetAtt"][0]


@pytest.mark.parametrize(
    ("function", "model"),
    [("IndexImages", "Model"), ("Search", "Model"), ("IndexNextModel", "NextModel")],
)
def test_no_snapshot_is_created_before_its_model_is_stored(resources, waits_for, function, model):
    assert model in waits_for(version_of(resources, function))


def test_a_model_depends_on_its_fetch_function_and_on_no_slow_resource(resources, waits_for):
    for name in ("Model", "NextModel"):
        before = waits_for(name)
        assert {version_of(resources, "FetchModel"), "FetchModelRole", "ModelBucket"} <= before
        assert not before & {"ImageIndex", "IndexImages", "Search", "SearchApi"}


def test_cloudformation_invokes_the_published_version(resources):
    for name in ("Model", "NextModel"):
        assert resources[name]["Properties"]["ServiceToken"] == {"Ref": "FetchModelAliaslive"}


def test_a_bucket_is_deleted_after_the_resource_that_empties_it(waits_for):
    """CloudFormation deletes in the reverse order of creation."""
    assert "ModelBucket" in waits_for("Model") & waits_for("NextModel")
