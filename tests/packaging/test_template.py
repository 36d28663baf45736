"""Claims about template.yaml after the SAM transform."""

from typing import Any

import pytest

API = "apigateway.amazonaws.com"


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
    assert len(versions(resources)) == 6


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
    permissions = [
        each["Properties"] for each in of_type(resources, "AWS::Lambda::Permission").values()
    ]
    assert {(each["FunctionName"]["Ref"], each["Principal"]) for each in permissions} == {
        ("SearchAliaslive", API),
        ("TuneAliaslive", "events.amazonaws.com"),
    }
    assert all("SourceArn" in each for each in permissions)


def test_api_gateway_can_invoke_the_function_on_every_path(resources):
    body = resources["SearchApi"]["Properties"]["Body"]
    allowed = {
        each["Properties"]["SourceArn"]["Fn::Sub"][0].partition("${__Stage__}/")[2]
        for each in of_type(resources, "AWS::Lambda::Permission").values()
        if each["Properties"]["Principal"] == API
    }
    assert allowed == {"GET/", "GET/assets/*", "GET/docs", "GET/openapi.json", "*/v1/*"}
    assert set(body["paths"]) == {"/", "/assets/{proxy+}", "/docs", "/openapi.json", "/v1/{proxy+}"}


def test_every_gateway_response_reaches_the_api(resources):
    body = resources["SearchApi"]["Properties"]["Body"]
    responses = body["x-amazon-apigateway-gateway-responses"]
    assert {"MISSING_AUTHENTICATION_TOKEN", "INVALID_API_KEY", "THROTTLED"} <= set(responses)


def test_there_is_one_stage(resources):
    assert set(of_type(resources, "AWS::ApiGateway::Stage")) == {"SearchApiliveStage"}


def test_images_and_forms_are_the_only_binary_types(resources):
    body = resources["SearchApi"]["Properties"]["Body"]
    assert body["x-amazon-apigateway-binary-media-types"] == [
        "image/*",
        "application/octet-stream",
        "multipart/form-data",
    ]


POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Example"


def deployment_of_the_stage(resources: dict[str, Any]) -> str:
    """The logical ID of the stage's deployment, which is a copy of the API with all its settings.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-deploy-api.html
    """
    ((name, deployment),) = of_type(resources, "AWS::ApiGateway::Deployment").items()
    assert deployment["Properties"]["RestApiId"] == {"Ref": "SearchApi"}  # made after its changes
    stage = resources["SearchApiliveStage"]["Properties"]
    assert stage["DeploymentId"] == {"Ref": name}
    return name


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"Access": "ApiKey"}, {"Access": "Iam"}),
        (
            {"Access": "Cognito", "CognitoUserPoolArn": f"{POOL}1"},
            {"Access": "Cognito", "CognitoUserPoolArn": f"{POOL}2"},
        ),
        ({"CorsOrigin": "https://a.example"}, {"CorsOrigin": "https://b.example"}),
    ],
    ids=["Access", "CognitoUserPoolArn", "CorsOrigin"],
)
def test_the_stage_serves_a_new_deployment_of_the_api_after_a_change(translate, before, after):
    """CloudFormation transforms a template once per change set, so that the time differs."""
    first, second = (
        translate(at=at, Release="1" * 40, **parameters)["Resources"]
        for at, parameters in ((1_800_000_000, before), (1_800_000_001, after))
    )
    assert deployment_of_the_stage(first) != deployment_of_the_stage(second)
