"""Claims about the parameters of template.yaml: what cannot work is refused before deployment."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.settings import COMPRESSIONS
from tests.support.aws.template import Deployment, load_template

POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Example"
KEYS = "a1b2c3=cats/dogs,d4e5f6=birds"
DOMAIN = {
    "ExistingOpenSearchEndpoint": "https://search-photos-abc.eu-west-1.es.amazonaws.com",
    "ExistingOpenSearchDomainName": "photos",
}
# https://docs.aws.amazon.com/opensearch-service/latest/developerguide/limits.html#ebsresource
MAX_GIB = {"t3.small.search": 100, "t3.medium.search": 200}
ENTRIES = load_template()["Parameters"]
SIZES = ENTRIES["OpenSearchVolumeGiB"]["AllowedValues"]


def test_the_defaults_are_valid():
    assert Deployment().invalid_parameters() == Deployment().broken_rules() == []


@pytest.mark.parametrize(
    ("rule", "refused", "accepted"),
    [
        ("CognitoHasUserPool", {"Access": "Cognito"}, {"CognitoUserPoolArn": POOL}),
        ("UserPoolIsUsed", {"CognitoUserPoolArn": POOL}, {"Access": "Cognito"}),
        ("InventoryHasPrefix", {"InventoryBucketName": "reports"}, {"InventoryPrefix": "daily"}),
        ("InventoryHasPrefix", {"InventoryPrefix": "daily"}, {"InventoryPrefix": "none"}),
        ("UserPoolIsUsed", {"Access": "Iam", "CognitoUserPoolArn": POOL}, {"Access": "Cognito"}),
        (
            "KeyCollectionsLimitKeys",
            {"Access": "Iam", "KeyCollections": KEYS},
            {"Access": "ApiKey"},
        ),
        (
            "KeyCollectionsLimitKeys",
            {"Access": "Cognito", "CognitoUserPoolArn": POOL, "KeyCollections": KEYS},
            {"KeyCollections": "none"},
        ),
        ("ModelIsUnambiguous", {"ModelUri": "s3://m/x"}, {"ModelName": "starter"}),
        (
            "NextModelIsUnambiguous",
            {"NextModelUri": "s3://m/x", "NextModelName": "starter"},
            {"NextModelName": "none"},
        ),
        *(
            ("ExistingDomainHasEndpointAndName", {name: value}, DOMAIN)
            for name, value in DOMAIN.items()
        ),
    ],
)
def test_what_cannot_work_is_refused_by_one_rule_and_the_remedy_is_accepted(
    rule: str, refused: Mapping[str, str], accepted: Mapping[str, str]
):
    assert Deployment(**refused).broken_rules() == [rule]
    assert Deployment(**{**refused, **accepted}).broken_rules() == []
    assert not Deployment(**refused).invalid_parameters()


@given(
    instance=st.sampled_from([*MAX_GIB, "m7g.large.search", "r6g.8xlarge.search"]),
    size=st.sampled_from(SIZES),
)
def test_a_volume_fits_its_instance_type(instance, size):
    deployment = Deployment(OpenSearchInstanceType=instance, OpenSearchVolumeGiB=size)
    assert bool(deployment.broken_rules()) == (size > MAX_GIB.get(instance, max(SIZES)))


@given(engine=st.sampled_from(list(COMPRESSIONS)), level=st.integers(0, 6).map(lambda n: 2**n))
def test_an_engine_has_the_compressions_of_the_settings(engine, level):
    deployment = Deployment(IndexEngine=engine, IndexCompression=f"{level}x")
    refused = deployment.broken_rules() or deployment.invalid_parameters()
    assert (not refused) == (f"{level}x" in COMPRESSIONS[engine])


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        *(
            ("OpenSearchInstanceType", f"{kind}.search", valid)
            for kind, valid in {
                "t3.small": True,
                "m7g.large": True,
                "r6g.8xlarge": True,
                "or1.medium": True,
                "im4gn.large": False,
                "t2.small": False,
                "m3.medium": False,
                "i3.large": False,
                "oi2.large": False,
                "r6gd.large": False,
            }.items()
        ),
        ("OpenSearchVolumeGiB", 9, False),
        ("OpenSearchVolumeGiB", 101, False),
        ("IndexConcurrency", 1, False),
        ("BackfillConcurrency", 1, False),
        ("CognitoUserPoolArn", POOL, True),
        ("CognitoUserPoolArn", "eu-west-1_Example", False),
        ("KeyCollections", KEYS, True),
        ("KeyCollections", "cats", False),
        ("SearchSnapStart", "None", True),
    ],
)
def test_a_value_outside_the_limits_of_aws_is_refused(name, value, valid):
    assert Deployment(**{name: value}).invalid_parameters() == ([] if valid else [name])


def test_every_parameter_can_return_to_its_default():
    """`sam deploy` keeps the deployed value of a parameter that is overridden with an empty one.

    The parameters of existing resources and the address for alarms are not changed back.
    """
    empty = {name for name, each in ENTRIES.items() if each.get("Default") == ""}
    assert empty == {*DOMAIN, "ExistingBucketName", "AlarmEmail"}


def test_a_limited_size_is_in_the_description():
    for instance, size in MAX_GIB.items():
        assert f"{size} GiB" in ENTRIES["OpenSearchVolumeGiB"]["Description"]
        assert instance in ENTRIES["OpenSearchVolumeGiB"]["Description"]
