"""Claims about IAM policies in template.yaml: least privilege."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from imagesearch.domain.storage_keys import INVENTORIES
from tests.support.aws.permissions import Permission, granted
from tests.support.aws.template import Deployment
from tests.support.paths import REPOSITORY

INDEXING = ("IndexImagesRole", "IndexNextModelRole")
OUR_ROLES = (*INDEXING, "SearchRole")
ALL_ROLES = (*OUR_ROLES, "FetchModelRole", "ReconcileRole", "TuneRole")


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for each in document["Statement"]:
        yield each["Fn::If"][1] if "Fn::If" in each else each


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.fixture
def allowed(resources):
    """Actions and resources that a role allows, by Sid."""

    def allowed(role: str) -> dict[str, tuple[list[str], list[Any]]]:
        (policy,) = resources[role]["Properties"]["Policies"]
        return {
            each["Sid"]: (as_list(each["Action"]), as_list(each["Resource"]))
            for each in statements(policy["PolicyDocument"])
        }

    return allowed


def test_only_tracing_is_allowed_everywhere(allowed):
    for role in ALL_ROLES:
        for sid, (actions, on) in allowed(role).items():
            assert ("*" in on) == (sid == "Trace")
            assert all(action.startswith("xray:") for action in actions) == (sid == "Trace")


def test_no_role_has_a_service_wildcard(allowed):
    for role in ALL_ROLES:
        assert all("*" not in action for actions, _ in allowed(role).values() for action in actions)


def test_roles_use_no_managed_policies(resources, functions):
    for role in ALL_ROLES:
        name = role.removesuffix("Role")
        assert functions[name]["Role"] == {"Fn::GetAtt": [role, "Arn"]}
        assert "Policies" not in functions[name]
        assert "ManagedPolicyArns" not in resources[role]["Properties"]


def test_only_lambda_can_assume_the_roles(resources):
    for role in ALL_ROLES:
        (trust,) = resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_indexing_reads_this_bucket_and_only_search_changes_it(allowed):
    for role in INDEXING:
        assert allowed(role)["ReadImages"][0] == ["s3:GetObject"]
        assert allowed(role)["DistinguishMissingFromForbidden"][0] == ["s3:ListBucket"]
    bucket = {"Fn::If": ["CreatesBucket", {"Ref": "ImageBucket"}, {"Ref": "ExistingBucketName"}]}
    changes = {"SignUploads": "s3:PutObject", "DeleteImages": "s3:DeleteObject"}
    for role in OUR_ROLES:
        for sid, (actions, (on, *_)) in allowed(role).items():
            if isinstance(on, dict) and {"Bucket": bucket} in as_list(on.get("Fn::Sub")):
                may = {"s3:GetObject", "s3:ListBucket"}
                if sid == "ReadTags":
                    may = {"s3:GetObjectTagging"}
                if role == "SearchRole":
                    may.add(changes.get(sid, ""))
                assert set(actions) <= may


@pytest.mark.parametrize(
    ("condition", "parameter", "sids"),
    [
        (
            "AllowsUploads",
            "AllowUploads",
            {
                "SignUploads",
                "RecordPendingUploads",
                "DistinguishMissingFromForbidden",
            },
        ),
        ("AllowsDelete", "AllowDelete", {"DeleteImages"}),
    ],
)
def test_search_can_change_the_bucket_only_if_uploads_are_enabled(
    template, resources, condition, parameter, sids
):
    assert template["Conditions"][condition] == {"Fn::Equals": [{"Ref": parameter}, "true"]}
    (policy,) = resources["SearchRole"]["Properties"]["Policies"]
    bound = [each["Fn::If"] for each in policy["PolicyDocument"]["Statement"] if "Fn::If" in each]
    assert {then["Sid"] for on, then, _ in bound if on == condition} == sids
    assert sids.isdisjoint(each.get("Sid") for each in policy["PolicyDocument"]["Statement"])


def test_deletion_is_not_permitted_by_default(template):
    assert template["Parameters"]["AllowDelete"]["Default"] == "false"


def test_indexing_writes_thumbnails_and_search_reads_them(allowed):
    thumbnails = [{"Fn::Sub": "${DerivedBucket.Arn}/thumbnails/*"}]
    for role in INDEXING:
        keep = (["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], thumbnails)
        assert allowed(role)["ManageThumbnails"] == keep
    assert allowed("SearchRole")["SignThumbnailUrls"] == (["s3:GetObject"], thumbnails)


def test_a_model_in_s3_is_read_from_its_prefix_only(allowed):
    for role in OUR_ROLES:
        actions, (on,) = allowed(role)["ReadModel"]
        assert actions == ["s3:GetObject"]
        assert on["Fn::Sub"][0] == "arn:${AWS::Partition}:s3:::${Folder}/*"


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("IndexImagesRole", "model"),
        ("SearchRole", "model"),
        ("IndexNextModelRole", "next-model"),
    ],
)
def test_a_fetched_model_is_read_from_its_own_prefix_only(allowed, role, part):
    assert allowed(role)["ReadFetchedModel"] == (
        ["s3:GetObject"],
        [{"Fn::Sub": f"${{ModelBucket.Arn}}/{part}/*"}],
    )


def test_only_the_fetch_function_writes_models_and_only_to_the_model_bucket(allowed):
    bucket = {"Fn::GetAtt": ["ModelBucket", "Arn"]}
    may = allowed("FetchModelRole")
    assert set(may) == {
        "ManageModels",
        "ListModels",
        "ReadModelSource",
        "UseKey",
        "WriteLog",
        "Trace",
    }
    assert may["ManageModels"] == (
        ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        [{"Fn::Sub": "${ModelBucket.Arn}/*"}],
    )
    assert may["ListModels"] == (["s3:ListBucket"], [bucket])


def test_a_mirror_in_s3_is_read_below_its_prefix_and_only_if_it_is_set(resources, template):
    (policy,) = resources["FetchModelRole"]["Properties"]["Policies"]
    (condition, statement, nothing), _ = [
        each["Fn::If"] for each in policy["PolicyDocument"]["Statement"] if "Fn::If" in each
    ]
    assert (condition, nothing) == ("ReadsModelSourceFromS3", {"Ref": "AWS::NoValue"})
    assert (statement["Sid"], statement["Action"]) == ("ReadModelSource", "s3:GetObject")
    arn, names = statement["Resource"]["Fn::Sub"]
    assert arn == "arn:${AWS::Partition}:s3:::${Folder}/*"
    after_scheme = {"Fn::Select": [1, {"Fn::Split": ["s3://", {"Fn::Sub": "${ModelSource}s3://"}]}]}
    assert names == {"Folder": after_scheme}
    assert template["Conditions"]["ReadsModelSourceFromS3"] == {
        "Fn::Not": [{"Fn::Equals": [after_scheme, ""]}]
    }


@pytest.mark.parametrize(
    ("role", "queues"),
    [
        ("IndexImagesRole", ["ImageQueue", "BackfillQueue"]),
        ("IndexNextModelRole", ["NextModelQueue"]),
    ],
)
def test_a_function_receives_from_its_own_queues_only(allowed, role, queues):
    actions, on = allowed(role)["ReceiveMessages"]
    assert set(actions) == {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    assert on == [{"Fn::GetAtt": [queue, "Arn"]} for queue in queues]


@pytest.mark.parametrize(
    ("function", "queue"), [("IndexImages", "BackfillQueue"), ("IndexNextModel", "NextModelQueue")]
)
def test_indexing_sends_messages_to_the_recheck_queue_only(allowed, functions, function, queue):
    actions, on = allowed(f"{function}Role")["ScheduleRechecks"]
    assert actions == ["sqs:SendMessage"]
    queue_url = functions[function]["Environment"]["Variables"]["REVISIT_QUEUE_URL"]
    deployment = Deployment()
    assert deployment.resolve(on) == [f"{queue}.Arn"]
    assert deployment.resolve(queue_url) == queue


def test_search_reads_the_queue_length_and_receives_no_messages(allowed, functions):
    of_queues = [
        (action, on)
        for actions, on in allowed("SearchRole").values()
        for action in actions
        if action.startswith("sqs:")
    ]
    assert of_queues == [("sqs:GetQueueAttributes", [{"Fn::GetAtt": ["ImageQueue", "Arn"]}])]
    assert functions["Search"]["Environment"]["Variables"]["QUEUE_URL"] == {"Ref": "ImageQueue"}


def test_the_next_model_has_the_same_permissions_on_its_own_queue_model_and_log():
    deployment = Deployment(NAMES, ReadObjectTags="true", NextModelName="siglip2-b-16")
    own = {
        "ImageQueue.Arn": "NextModelQueue.Arn",
        "BackfillQueue.Arn": "NextModelQueue.Arn",
        "IndexImagesLog.Arn": "IndexNextModelLog.Arn",
        f"{MODELS}/model/*": f"{MODELS}/next-model/*",
    }
    assert granted(deployment, "IndexNextModelRole") == {
        Permission(action, own.get(resource, resource))
        for action, resource in granted(deployment, "IndexImagesRole")
    }


IMAGES, LABELS = "images-0123456789abcdef", "images-labels-0123456789abcdef"
DOMAIN = "arn:aws:es:eu-west-1:123456789012:domain/photos"
DERIVED, MODELS, BUCKET = (f"arn:aws:s3:::{name}" for name in ("derived", "models", "photos"))
NAMES = {
    "ImageIndex.Arn": DOMAIN,
    "DerivedBucket.Arn": DERIVED,
    "ModelBucket.Arn": MODELS,
    "ImageBucket": "photos",
}
WRITES = [
    ("Put", ""),
    ("Put", "/_mapping"),
    ("Put", "/_settings"),
    ("Put", "/_doc/a"),
    ("Put", f"/_doc/{LABELS}"),
    ("Post", "/_bulk"),
    ("Post", "/_doc"),
    ("Post", "/_update/a"),
    ("Post", "/_update_by_query"),
    ("Post", "/_delete_by_query"),
    ("Post", "/_close"),
    ("Delete", "/_doc/a"),
]
BY_NONE = [
    *(Permission("es:ESHttpDelete", f"{DOMAIN}/{path}") for path in (IMAGES, LABELS, "*")),
    Permission("es:ESHttpPost", f"{DOMAIN}/_bulk"),
    Permission("es:ESHttpPost", f"{DOMAIN}/_reindex"),
    Permission("es:ESHttpPost", f"{DOMAIN}/orders/_search"),
    Permission("es:ESHttpPut", f"{DOMAIN}/_cluster/settings"),
    Permission("s3:DeleteObject", f"{DERIVED}/feedback/a"),
    Permission("s3:GetObject", f"{DERIVED}/feedback/a"),
    Permission("s3:PutObject", f"{MODELS}/model/a/image.onnx"),
]
FORBIDDEN = {
    "SearchRole": [
        *(Permission(f"es:ESHttp{method}", f"{DOMAIN}/{IMAGES}{path}") for method, path in WRITES),
        Permission("s3:PutObject", f"{DERIVED}/thumbnails/a"),
    ],
    "IndexImagesRole": [
        *(Permission(f"es:ESHttp{method}", f"{DOMAIN}/{LABELS}{path}") for method, path in WRITES),
        Permission("s3:PutObject", f"{BUCKET}/a"),
        Permission("s3:DeleteObject", f"{BUCKET}/a"),
    ],
}


@pytest.mark.parametrize("role", FORBIDDEN)
def test_a_function_cannot_write_what_belongs_to_the_other_one(role):
    """tests/integration/test_least_privilege.py verifies that each permission is needed."""
    allowed = granted(Deployment(NAMES, AllowDelete="true"), role)
    for forbidden in (*FORBIDDEN[role], *BY_NONE):
        assert not any(each.allows(forbidden) for each in allowed), forbidden


def test_the_index_of_a_request_to_the_domain_is_in_its_path(resources):
    """Otherwise the body of a bulk request could name another index than its path.

    https://docs.aws.amazon.com/opensearch-service/latest/developerguide/ac.html
    """
    options = resources["ImageIndex"]["Properties"]["AdvancedOptions"]
    assert options == {"rest.action.multi.allow_explicit_index": "false"}


def test_an_existing_domain_is_used_with_the_same_permissions():
    name = "photos"
    endpoint = "https://search-photos.eu-west-1.es.amazonaws.com"
    existing = Deployment(
        NAMES, ExistingOpenSearchEndpoint=endpoint, ExistingOpenSearchDomainName=name
    )
    for role in OUR_ROLES:
        assert granted(existing, role) == granted(Deployment(NAMES), role)


def test_a_backfill_lists_this_bucket_and_sends_to_its_queues(allowed):
    assert {sid: actions for sid, (actions, _) in allowed("BackfillRole").items()} == {
        "ListImages": ["s3:ListBucket"],
        "SendMessages": ["sqs:SendMessage"],
        "UseKey": ["kms:Decrypt", "kms:GenerateDataKey"],
    }
    _, on = allowed("BackfillRole")["SendMessages"]
    definition = (REPOSITORY / "statemachines/backfill.asl.json").read_text()
    requested = re.findall(r"arn:\$\{Partition\}:states:::(\w+:\w+)", definition)
    assert set(requested) == {"s3:listObjectsV2", "sqs:sendMessage"}
    assert Deployment().resolve(on) == ["BackfillQueue.Arn"]
    assert on[1]["Fn::If"][:2] == ["HasNextModel", {"Fn::GetAtt": ["NextModelQueue", "Arn"]}]


def test_a_backfill_starts_no_other_state_machine(resources):
    policy = resources["BackfillStartsItself"]["Properties"]
    assert policy["Roles"] == [{"Ref": "BackfillRole"}]
    start, *others = policy["PolicyDocument"]["Statement"]
    assert (start["Action"], start["Resource"]) == ("states:StartExecution", {"Ref": "Backfill"})
    for other in others:
        assert "execution:${Backfill.Name}" in other["Resource"]["Fn::Sub"]


def test_search_writes_feedback_and_cannot_read_it(allowed):
    actions, on = allowed("SearchRole")["WriteFeedback"]
    assert actions == ["s3:PutObject"]
    assert on == [{"Fn::Sub": "${DerivedBucket.Arn}/feedback/*"}]


def test_tuning_reads_feedback_and_writes_adapters(allowed):
    granted = allowed("TuneRole")
    derived = {sid: granted[sid] for sid in ("ReadFeedback", "ManageAdapters", "ListFeedback")}
    assert derived == {
        "ReadFeedback": (["s3:GetObject"], [{"Fn::Sub": "${DerivedBucket.Arn}/feedback/*"}]),
        "ManageAdapters": (
            ["s3:GetObject", "s3:PutObject"],
            [{"Fn::Sub": "${DerivedBucket.Arn}/adapters/*"}],
        ),
        "ListFeedback": (["s3:ListBucket"], [{"Fn::GetAtt": ["DerivedBucket", "Arn"]}]),
    }
    others = {"ReadModel", "ReadFetchedModel", "WriteLog", "UseKey", "Trace"}
    assert granted.keys() - derived.keys() == others


def test_reconciliation_reads_bucket_and_index_and_sends_messages(allowed):
    granted = allowed("ReconcileRole")
    assert {sid: actions for sid, (actions, _) in granted.items() if sid != "Trace"} == {
        "ListImages": ["s3:ListBucket"],
        "ReadStates": ["s3:GetObject"],
        "ListReports": ["s3:ListBucket"],
        "ReadReports": ["s3:GetObject"],
        "ListDividedReports": ["s3:ListBucket"],
        "DivideReports": ["s3:GetObject", "s3:PutObject"],
        "SendMessages": ["sqs:SendMessage", "sqs:GetQueueAttributes"],
        "ListThumbnails": ["s3:ListBucket"],
        "DeleteThumbnails": ["s3:DeleteObject"],
        "ReadManifest": ["s3:GetObject"],
        "ReadNextManifest": ["s3:GetObject"],
        "ReadFetchedManifests": ["s3:GetObject"],
        "FindIndexes": ["es:ESHttpGet"],
        "ReadEntries": ["es:ESHttpPost"],
        "UseKey": ["kms:Decrypt", "kms:GenerateDataKey"],
        "WriteLog": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }
    assert granted["DeleteThumbnails"][1] == [{"Fn::Sub": "${DerivedBucket.Arn}/thumbnails/*"}]
    for sid in ("ReadManifest", "ReadNextManifest"):
        assert granted[sid][1][0]["Fn::Sub"][0].endswith("/*.json")
    assert granted["ReadFetchedManifests"][1] == [{"Fn::Sub": "${ModelBucket.Arn}/*.json"}]


def test_an_inventory_is_read_below_its_prefix_and_only_where_there_is_one():
    def of_inventory(**parameters):
        [policy] = Deployment(**parameters).properties("ReconcileRole")["Policies"]
        wanted = ("ReadStates", "ListReports", "ReadReports", "ListDividedReports", "DivideReports")
        return {
            each["Sid"]: (each["Resource"], each.get("Condition"))
            for each in policy["PolicyDocument"]["Statement"]
            if each["Sid"] in wanted
        }

    assert of_inventory() == {}
    reports = "arn:aws:s3:::reports"
    assert of_inventory(
        ExistingBucketName="photos",
        InventoryBucketName="reports",
        InventoryPrefix="of/photos/daily",
    ) == {
        "ReadStates": ("arn:aws:s3:::photos/*", None),
        "ListReports": (reports, {"StringEquals": {"s3:prefix": "of/photos/daily/"}}),
        "ReadReports": (f"{reports}/of/photos/daily/*", None),
        "ListDividedReports": (
            "DerivedBucket.Arn",
            {"StringLike": {"s3:prefix": f"{INVENTORIES}*"}},
        ),
        "DivideReports": (f"DerivedBucket.Arn/{INVENTORIES}*", None),
    }


def test_the_timer_starts_the_reconciliation_which_invokes_its_function(resources):
    for role, action, on in (
        ("ReconciliationTimerRole", "states:StartExecution", "Reconciliation"),
        ("ReconciliationRole", "lambda:InvokeFunction", "Reconcile.Alias"),
    ):
        (policy,) = resources[role]["Properties"]["Policies"]
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert (statement["Action"], statement["Resource"]) == (action, {"Ref": on})
