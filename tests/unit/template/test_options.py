"""Claims about options that are off by default: keys of the customer, logs, WAF, reservations."""

import json
import re
from typing import Any

import pytest

from imagesearch.adapters.opensearch.mapping import SLOW_LOGS, IndexSettings
from tests.support.aws.permissions import Permission, granted
from tests.support.aws.template import Deployment, load_template
from tests.support.paths import REPOSITORY

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ACL = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/mine/1234abcd-12ab-34cd-56ef"
PLAIN, ENCRYPTED = Deployment(), Deployment(KmsKeyArn=KEY)
RESOURCES: dict[str, Any] = load_template()["Resources"]
# The property that names the key, for each type of resource that stores data.
KEY_OF = {
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::SecretsManager::Secret": "KmsKeyId",
}
# The services that use the key themselves, not on behalf of a role.
SERVICES = {
    "events.amazonaws.com": {"kms:Decrypt", "kms:GenerateDataKey*"},
    "cloudwatch.amazonaws.com": {"kms:Decrypt", "kms:GenerateDataKey*"},
    "logs.eu-west-1.amazonaws.com": {
        "kms:Encrypt*",
        "kms:Decrypt*",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
        "kms:Describe*",
    },
}


def of_type(*kinds: str) -> list[str]:
    return [name for name, each in RESOURCES.items() if each["Type"] in kinds]


@pytest.mark.parametrize("name", of_type(*KEY_OF))
def test_a_key_encrypts_queues_topics_logs_and_secrets(name):
    field = KEY_OF[RESOURCES[name]["Type"]]
    assert field not in PLAIN.properties(name)
    assert ENCRYPTED.properties(name)[field] == KEY
    assert "SqsManagedSseEnabled" not in ENCRYPTED.properties(name)


@pytest.mark.parametrize("name", of_type("AWS::S3::Bucket"))
def test_a_key_encrypts_buckets(name):
    def rule(deployment: Deployment) -> dict[str, Any]:
        [rule] = deployment.properties(name)["BucketEncryption"][
            "ServerSideEncryptionConfiguration"
        ]
        return rule

    assert rule(PLAIN) == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert rule(ENCRYPTED) == {
        "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
        "BucketKeyEnabled": True,
    }


def test_a_key_encrypts_the_environment_of_the_functions():
    shared = load_template()["Globals"]["Function"]
    assert "KmsKeyArn" not in PLAIN.resolve(shared)
    assert ENCRYPTED.resolve(shared)["KmsKeyArn"] == KEY


ROLES = [f"{name}Role" for name in (*of_type("AWS::Serverless::Function"), "Backfill")]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_reads_or_writes_what_is_encrypted_can_use_the_key_and_no_other(role):
    of_kms = {each for each in granted(ENCRYPTED, role) if each.action.startswith("kms:")}
    assert of_kms == {Permission(f"kms:{verb}", KEY) for verb in ("Decrypt", "GenerateDataKey")}
    assert not any(each.action.startswith("kms:") for each in granted(PLAIN, role))


def test_the_documented_key_policy_allows_the_services_that_the_template_uses():
    text = (REPOSITORY / "docs/how-to/secure.md").read_text()
    policy = json.loads(re.search(r"```json\n(\[\n.*?\])\n```", text, re.DOTALL)[1])
    allowed = {each["Principal"]["Service"]: set(each["Action"]) for each in policy}
    assert allowed == SERVICES
    assert all(each["Effect"] == "Allow" and each["Resource"] == "*" for each in policy)


def test_the_domain_has_a_key_of_its_own_because_a_change_replaces_it():
    assert "KmsKeyId" not in ENCRYPTED.properties("ImageIndex")["EncryptionAtRestOptions"]
    encrypted = Deployment(OpenSearchKmsKeyArn=KEY).properties("ImageIndex")
    assert encrypted["EncryptionAtRestOptions"] == {"Enabled": True, "KmsKeyId": KEY}


def test_the_domain_publishes_error_and_slow_logs_to_a_group_that_accepts_them():
    assert "LogPublishingOptions" not in PLAIN.properties("ImageIndex")
    deployment = Deployment({"DomainLog": "group"}, OpenSearchLogs="true")
    group = "arn:aws:logs:eu-west-1:123456789012:log-group:group"
    logs = deployment.properties("ImageIndex")["LogPublishingOptions"]
    assert set(logs) == {"ES_APPLICATION_LOGS", "SEARCH_SLOW_LOGS", "INDEX_SLOW_LOGS"}
    for each in logs.values():
        assert each == {"Enabled": True, "CloudWatchLogsLogGroupArn": group}
    policy = json.loads(deployment.properties("DomainLogPolicy")["PolicyDocument"])
    [statement] = policy["Statement"]
    assert statement["Principal"] == {"Service": "es.amazonaws.com"}
    assert set(statement["Action"]) == {"logs:PutLogEvents", "logs:CreateLogStream"}
    assert statement["Resource"] == f"{group}:*"
    assert RESOURCES["ImageIndex"]["DependsOn"] == "DomainLogPolicy"


def test_an_index_has_the_thresholds_without_which_slow_logs_are_empty():
    settings = IndexSettings().to_dict()
    assert SLOW_LOGS.items() <= settings.items()
    for kind in ("search", "indexing"):
        assert any(name.startswith(f"index.{kind}.slowlog.threshold") for name in SLOW_LOGS)


def test_log_groups_of_a_domain_exist_only_with_a_domain_and_the_option():
    endpoint = "https://search-photos.eu-west-1.es.amazonaws.com"
    existing = {"ExistingOpenSearchEndpoint": endpoint, "ExistingOpenSearchDomainName": "photos"}
    for name in ("DomainLog", "DomainLogPolicy"):
        assert Deployment(OpenSearchLogs="true").exists(name)
        assert not PLAIN.exists(name)
        assert not Deployment(OpenSearchLogs="true", **existing).exists(name)


def test_executions_are_reserved_for_searches_on_demand():
    assert "ReservedConcurrentExecutions" not in PLAIN.properties("Search")
    reserved = Deployment(SearchReservedConcurrency=20).properties("Search")
    assert reserved["ReservedConcurrentExecutions"] == "20"


def test_a_web_acl_is_associated_with_the_stage_of_the_api():
    """https://docs.aws.amazon.com/waf/latest/APIReference/API_AssociateWebACL.html"""
    assert not PLAIN.exists("ApiWebAcl")
    stage = Deployment({"SearchApi": "a1b2c3", "SearchApi.Stage": "live"}, WebAclArn=ACL)
    assert stage.exists("ApiWebAcl")
    assert stage.properties("ApiWebAcl") == {
        "ResourceArn": "arn:aws:apigateway:eu-west-1::/restapis/a1b2c3/stages/live",
        "WebACLArn": ACL,
    }


@pytest.mark.parametrize(
    ("name", "valid", "refused"),
    [
        ("KmsKeyArn", [KEY, "none"], ["", "alias/mine", KEY.replace(":key/", ":alias/")]),
        ("OpenSearchKmsKeyArn", [KEY], [KEY.rpartition("/")[2]]),
        ("WebAclArn", [ACL], [ACL.replace("regional", "global"), "mine"]),
        ("SearchReservedConcurrency", ["none", "1", "1000"], ["0", "-1", "", "10000"]),
        ("NoncurrentVersionDays", ["1", "365"], ["0", "none"]),
    ],
)
def test_values_of_options(name, valid, refused):
    for value in valid:
        assert not Deployment(**{name: value}).invalid_parameters()
    for value in refused:
        assert Deployment(**{name: value}).invalid_parameters() == [name]


def test_every_function_multiplies_matrices_in_one_thread(template):
    """Two threads on two busy cores take ten times the CPU time of one."""
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    assert shared["OPENBLAS_NUM_THREADS"] == "1"
