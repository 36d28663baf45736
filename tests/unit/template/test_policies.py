"""Claims about IAM policies in template.yaml: least privilege."""

from collections.abc import Iterator
from typing import Any

import pytest

INDEXING = ("IndexImagesRole", "IndexNextModelRole")
OUR_ROLES = (*INDEXING, "SearchRole")
ALL_ROLES = (*OUR_ROLES, "FetchModelRole")


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
    assert set(may) == {"ManageModels", "ListModels", "ReadModelSource", "WriteLog", "Trace"}
    assert may["ManageModels"] == (
        ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        [{"Fn::Sub": "${ModelBucket.Arn}/*"}],
    )
    assert may["ListModels"] == (["s3:ListBucket"], [bucket])


def test_a_mirror_in_s3_is_read_below_its_prefix_and_only_if_it_is_set(resources, template):
    (policy,) = resources["FetchModelRole"]["Properties"]["Policies"]
    [(condition, statement, nothing)] = [
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
    sending = (["sqs:SendMessage"], [{"Fn::GetAtt": [queue, "Arn"]}])
    assert allowed(f"{function}Role")["ScheduleRechecks"] == sending
    queue_url = functions[function]["Environment"]["Variables"]["REVISIT_QUEUE_URL"]
    assert queue_url == {"Ref": queue}


def test_search_reads_the_queue_length_and_receives_no_messages(allowed, functions):
    of_queues = [
        (action, on)
        for actions, on in allowed("SearchRole").values()
        for action in actions
        if action.startswith("sqs:")
    ]
    assert of_queues == [("sqs:GetQueueAttributes", [{"Fn::GetAtt": ["ImageQueue", "Arn"]}])]
    assert functions["Search"]["Environment"]["Variables"]["QUEUE_URL"] == {"Ref": "ImageQueue"}


def test_both_indexing_functions_have_the_same_permissions(allowed):
    assert {sid: actions for sid, (actions, _) in allowed(INDEXING[0]).items()} == {
        sid: actions for sid, (actions, _) in allowed(INDEXING[1]).items()
    }


def test_the_domain_admits_the_function_roles_and_only_indexing_creates_indexes(resources):
    policy = resources["ImageIndex"]["Properties"]["AccessPolicies"]
    granted = list(statements(policy))
    roles = {each["Principal"]["AWS"]["Fn::GetAtt"][0] for each in granted}
    assert roles == set(OUR_ROLES)
    assert all(each["Effect"] == "Allow" for each in granted)
    assert not any("es:ESHttpDelete" in as_list(each["Action"]) for each in granted)
    for each in granted:
        if each["Principal"]["AWS"]["Fn::GetAtt"] == ["SearchRole", "Arn"]:
            puts = "es:ESHttpPut" in as_list(each["Action"])
            assert puts == (each["Sid"] == "CreateLabelIndexes")


def test_search_creates_label_indexes_only(resources, allowed):
    policy = resources["ImageIndex"]["Properties"]["AccessPolicies"]
    [own] = [each for each in statements(policy) if each["Sid"] == "CreateLabelIndexes"]
    actions, existing = allowed("SearchRole")["CreateLabelIndexes"]
    assert actions == as_list(own["Action"]) == ["es:ESHttpPut"]
    for on, domain in ((own["Resource"], "*"), (existing, "${ExistingOpenSearchDomainName}")):
        paths = [each["Fn::Sub"].partition(f"domain/{domain}/")[2] for each in on]
        assert paths == [
            "${IndexPrefix}-labels-*",
            "_index_template/${IndexPrefix}-labels-*",
        ]


def test_an_existing_domain_is_used_with_the_same_permissions(resources, allowed):
    policy = resources["ImageIndex"]["Properties"]["AccessPolicies"]
    granted = {
        each["Principal"]["AWS"]["Fn::GetAtt"][0]: each["Action"]
        for each in statements(policy)
        if each["Sid"] != "CreateLabelIndexes"
    }
    for role in INDEXING:
        assert allowed(role)["WriteExistingIndex"][0] == granted[role]
    assert allowed("SearchRole")["SearchExistingIndex"][0] == granted["SearchRole"]


def test_a_backfill_lists_this_bucket_and_sends_to_its_queues(allowed):
    assert {sid: actions for sid, (actions, _) in allowed("BackfillRole").items()} == {
        "ListImages": ["s3:ListBucket"],
        "SendMessages": ["sqs:SendMessage"],
    }
    _, on = allowed("BackfillRole")["SendMessages"]
    assert on[0] == {"Fn::GetAtt": ["BackfillQueue", "Arn"]}
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
