"""What template.yaml lets whom do: as little as it can."""

from collections.abc import Iterator
from typing import Any

import pytest

OUR_ROLES = ("IndexImagesRole", "SearchRole")


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for each in document["Statement"]:
        yield each["Fn::If"][1] if "Fn::If" in each else each


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture
def allowed(resources):
    """What a role may do: resource by Sid, and the actions."""

    def allowed(role: str) -> dict[str, tuple[list[str], list[Any]]]:
        (policy,) = resources[role]["Properties"]["Policies"]
        return {
            each["Sid"]: (as_list(each["Action"]), as_list(each["Resource"]))
            for each in statements(policy["PolicyDocument"])
        }

    return allowed


def test_only_tracing_is_allowed_everywhere(allowed):
    for role in OUR_ROLES:
        for sid, (actions, on) in allowed(role).items():
            assert ("*" in on) == (sid == "Trace")
            assert all(action.startswith("xray:") for action in actions) == (sid == "Trace")


def test_no_role_may_do_all_that_a_service_can(allowed):
    for role in OUR_ROLES:
        assert all("*" not in action for actions, _ in allowed(role).values() for action in actions)


def test_roles_are_written_out_not_managed(resources, functions):
    for name, role in zip(("IndexImages", "Search"), OUR_ROLES, strict=True):
        assert functions[name]["Role"] == {"Fn::GetAtt": [role, "Arn"]}
        assert "Policies" not in functions[name]
        assert "ManagedPolicyArns" not in resources[role]["Properties"]


def test_only_lambda_takes_the_roles(resources):
    for role in OUR_ROLES:
        (trust,) = resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_indexing_reads_this_bucket_and_no_role_writes_to_it(allowed):
    assert allowed("IndexImagesRole")["ReadImages"][0] == ["s3:GetObject"]
    assert allowed("IndexImagesRole")["TellMissingFromForbidden"][0] == ["s3:ListBucket"]
    bucket = {"Fn::If": ["MakesBucket", {"Ref": "ImageBucket"}, {"Ref": "ExistingBucketName"}]}
    for role in OUR_ROLES:
        for actions, (on, *_) in allowed(role).values():
            if actions[0].startswith("s3:") and "Bucket" in on["Fn::Sub"][1]:
                assert on["Fn::Sub"][1] == {"Bucket": bucket}
                assert set(actions) <= {"s3:GetObject", "s3:ListBucket"}


def test_a_model_in_s3_is_read_from_its_folder_alone(allowed):
    for role in OUR_ROLES:
        actions, (on,) = allowed(role)["ReadModel"]
        assert actions == ["s3:GetObject"]
        assert on["Fn::Sub"][0] == "arn:${AWS::Partition}:s3:::${Folder}/*"


def test_indexing_takes_messages_from_this_queue_alone(allowed):
    actions, on = allowed("IndexImagesRole")["TakeMessages"]
    assert set(actions) == {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    assert on == [{"Fn::GetAtt": ["ImageQueue", "Arn"]}]
    assert not any(
        "sqs:" in action for each in allowed("SearchRole").values() for action in each[0]
    )


def test_the_index_lets_in_the_two_roles_and_only_indexing_makes_indexes(resources):
    policy = resources["ImageIndex"]["Properties"]["AccessPolicies"]
    granted = {each["Principal"]["AWS"]["Fn::GetAtt"][0]: each for each in statements(policy)}
    assert set(granted) == set(OUR_ROLES)
    assert all(each["Effect"] == "Allow" for each in granted.values())
    assert "es:ESHttpPut" not in granted["SearchRole"]["Action"]
    assert not any("es:ESHttpDelete" in each["Action"] for each in granted.values())


def test_an_existing_domain_is_used_by_the_same_rights(resources, allowed):
    policy = resources["ImageIndex"]["Properties"]["AccessPolicies"]
    granted = {
        each["Principal"]["AWS"]["Fn::GetAtt"][0]: each["Action"] for each in statements(policy)
    }
    assert allowed("IndexImagesRole")["WriteExistingIndex"][0] == granted["IndexImagesRole"]
    assert allowed("SearchRole")["SearchExistingIndex"][0] == granted["SearchRole"]
