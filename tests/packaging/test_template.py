"""Claims about template.yaml after the SAM transform."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def resources(translate) -> dict[str, Any]:
    return translate(Release="1" * 40)["Resources"]


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: each for name, each in resources.items() if each["Type"] == kind}


def versions(resources: dict[str, Any]) -> set[str]:
    return set(of_type(resources, "AWS::Lambda::Version"))


def test_an_unchanged_release_keeps_the_snapshots(translate, resources):
    assert versions(translate(Release="1" * 40)["Resources"]) == versions(resources)


def test_a_new_release_publishes_new_versions_of_every_function(translate, resources):
    assert not versions(translate(Release="2" * 40)["Resources"]) & versions(resources)
    assert len(versions(resources)) == 4


def test_no_resources_of_a_next_model_exist_without_one(resources):
    for name, each in resources.items():
        condition = each.get("Condition", "")
        assert ("NextModel" in name) == condition.endswith("NextModel"), name


def test_a_changed_setting_alone_publishes_no_version(translate, resources):
    """This is the reason for including settings in the digest of `make deploy`."""
    assert versions(translate(Release="1" * 40, LogLevel="DEBUG")["Resources"]) == versions(
        resources
    )


def test_every_release_changes_the_description_of_the_functions(translate, resources):
    """Lambda publishes no version of an unchanged configuration, even with a new layer."""
    newer = translate(Release="2" * 40)["Resources"]
    for name in ("IndexImages", "Search"):
        before, after = (each[name]["Properties"]["Description"] for each in (resources, newer))
        assert before != after


def test_the_snapshot_of_an_old_release_is_deleted(resources):
    for version in of_type(resources, "AWS::Lambda::Version").values():
        assert version["DeletionPolicy"] == "Delete"


def test_only_the_alias_is_invoked(resources):
    for name, mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").items():
        function = "IndexNextModel" if "NextModel" in name else "IndexImages"
        assert mapping["Properties"]["FunctionName"] == {"Ref": f"{function}Aliaslive"}
    permissions = of_type(resources, "AWS::Lambda::Permission").values()
    assert permissions
    for permission in permissions:
        assert permission["Properties"]["FunctionName"] == {"Ref": "SearchAliaslive"}
        assert permission["Properties"]["Principal"] == "apigateway.amazonaws.com"
        assert "SourceArn" in permission["Properties"]


def test_api_gateway_can_invoke_the_function_on_every_path(resources):
    body = resources["SearchApi"]["Properties"]["Body"]
    allowed = {
        each["Properties"]["SourceArn"]["Fn::Sub"][0].partition("${__Stage__}/")[2]
        for each in of_type(resources, "AWS::Lambda::Permission").values()
    }
    assert allowed == {"GET/", "GET/assets/*", "GET/docs", "GET/openapi.json", "*/v1/*"}
    assert set(body["paths"]) == {"/", "/assets/{proxy+}", "/docs", "/openapi.json", "/v1/{proxy+}"}


def test_there_is_one_stage(resources):
    assert set(of_type(resources, "AWS::ApiGateway::Stage")) == {"SearchApiliveStage"}


def test_images_are_the_only_binary_type(resources):
    body = resources["SearchApi"]["Properties"]["Body"]
    assert body["x-amazon-apigateway-binary-media-types"] == ["image/*"]
