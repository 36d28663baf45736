"""Claims about functions, index, buckets, queues and backfill in template.yaml."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from functions.reconcile.handler import DIVISION_MARGIN_MILLISECONDS, MARGIN_MILLISECONDS
from imagesearch.settings import FOLDER_SETTINGS, Settings
from tests.support.aws.permissions import granted
from tests.support.aws.template import Deployment
from tests.support.paths import REPOSITORY


def test_synchronous_functions_use_snapstart(template, functions):
    assert set(functions) == {
        *("FetchModel", "IndexImages", "IndexNextModel", "Reconcile", "Search", "Tune")
    }
    for name in ("FetchModel", "IndexNextModel", "Reconcile", "Tune"):
        assert functions[name]["SnapStart"] == {"ApplyOn": "None"}
    for function, parameter in (("Search", "SearchSnapStart"), ("IndexImages", "IndexSnapStart")):
        assert functions[function]["SnapStart"] == {"ApplyOn": {"Ref": parameter}}
        assert template["Parameters"][parameter]["Default"] == "PublishedVersions"
    for function in functions.values():
        assert function["AutoPublishAlias"] == "live"
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["x86_64"]


def test_a_new_release_creates_new_snapshots_and_deletes_the_old_ones(template, functions):
    for function in functions.values():
        assert function["AutoPublishCodeSha256"] == {"Ref": "Release"}
        assert function["VersionDeletionPolicy"] == "Delete"
    assert "Default" not in template["Parameters"]["Release"]


def test_a_function_with_snapstart_has_the_default_disk(functions):
    larger = {name for name, each in functions.items() if "EphemeralStorage" in each}
    assert larger == {"FetchModel"}


def test_the_environment_of_the_functions_matches_the_settings(template, functions):
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    own = [functions[name]["Environment"]["Variables"] for name in ("Search", "IndexImages")]
    read = {name.upper() for name in Settings.model_fields.keys() - FOLDER_SETTINGS}
    libraries = ("POWERTOOLS_", "ORT_", "OPENBLAS_")
    provided = shared.keys() | own[0].keys() | own[1].keys()
    assert {name for name in provided if not name.startswith(libraries)} == read


def test_all_logs_have_a_retention_period(functions, of_type):
    groups = of_type("AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] for group in groups.values())
    for function in functions.values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


@pytest.fixture
def queues(functions) -> dict[str, dict[str, Any]]:
    """The SQS event sources of the functions, by name."""
    return {
        name: event["Properties"]
        for function in functions.values()
        for name, event in function.get("Events", {}).items()
        if event["Type"] == "SQS"
    }


def test_a_bad_image_does_not_fail_its_batch(queues):
    assert set(queues) == {"ImageQueue", "BackfillQueue", "NextModelQueue"}
    for queue in queues.values():
        assert queue["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_function_processes_ten_images_per_batch(queues):
    """A backfill message has ten keys, and that of an upload one."""
    assert queues["ImageQueue"]["BatchSize"] == {"Fn::If": ["HasNextModel", 1, 10]}
    assert queues["BackfillQueue"]["BatchSize"] == queues["NextModelQueue"]["BatchSize"] == 1


def test_indexing_concurrency_is_limited_by_the_event_source(functions, queues):
    bounds = {name: queue["ScalingConfig"]["MaximumConcurrency"] for name, queue in queues.items()}
    assert bounds == {
        "ImageQueue": {"Ref": "IndexConcurrency"},
        "BackfillQueue": {"Ref": "BackfillConcurrency"},
        "NextModelQueue": {"Ref": "BackfillConcurrency"},
    }
    reserved = {name for name in functions if "ReservedConcurrentExecutions" in functions[name]}
    assert reserved == {"Search"}


# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
NEW_ACCOUNT = 10


@pytest.mark.parametrize("next_model", ["none", "siglip2-b-16"])
def test_the_defaults_leave_searches_at_least_half_of_a_new_account(of_type, next_model):
    """During indexing, a backfill and a reconciliation, also while there is a next model.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """
    deployment = Deployment(NextModelName=next_model)
    events = [
        event["Properties"]
        for name in of_type("AWS::Serverless::Function")
        if deployment.exists(name)
        for event in deployment.properties(name).get("Events", {}).values()
        if event["Type"] == "SQS" and event["Properties"].get("Enabled", True)
    ]
    machine = json.loads((REPOSITORY / "statemachines/reconcile.asl.json").read_text())
    taken = sum(int(each["ScalingConfig"]["MaximumConcurrency"]) for each in events)
    taken += machine["States"]["Parts"]["MaxConcurrency"]
    # FetchModel ends before the others start.
    assert NEW_ACCOUNT - taken >= 5


def senders(deployment: Deployment) -> Iterator[str]:
    """The queues to which keys of the current model are sent, without changes of the bucket."""
    for function in ("IndexImages", "Reconcile"):
        yield deployment.properties(function)["Environment"]["Variables"]["REVISIT_QUEUE_URL"]
    yield deployment.properties("Backfill")["DefinitionSubstitutions"]["BackfillQueueUrl"]
    yield deployment.resolve(deployment.template["Outputs"]["BackfillQueueUrl"]["Value"])


@pytest.mark.parametrize(
    ("next_model", "queue"), [("none", "BackfillQueue"), ("siglip2-b-16", "ImageQueue")]
)
def test_messages_are_sent_to_a_queue_that_is_read_in_batches_of_ten_images(next_model, queue):
    deployment = Deployment(NextModelName=next_model)
    assert set(senders(deployment)) == {queue}
    source = deployment.properties("IndexImages")["Events"][queue]["Properties"]
    assert source.get("Enabled", True)
    assert source["BatchSize"] == 1
    for role in ("IndexImagesRole", "ReconcileRole", "BackfillRole"):
        sent = {on for action, on in granted(deployment, role) if action == "sqs:SendMessage"}
        assert f"{queue}.Arn" in sent
        assert sent <= {f"{queue}.Arn", "NextModelQueue.Arn"}


def test_the_index_is_encrypted_at_rest_and_in_transit(resources):
    domain = resources["ImageIndex"]["Properties"]
    assert Deployment().properties("ImageIndex")["EncryptionAtRestOptions"] == {"Enabled": True}
    assert domain["NodeToNodeEncryptionOptions"] == {"Enabled": True}
    endpoint = domain["DomainEndpointOptions"]
    assert endpoint["EnforceHTTPS"] is True
    assert endpoint["TLSSecurityPolicy"].startswith("Policy-Min-TLS-1-2")


def test_urls_are_not_fetched_by_default(template):
    assert template["Parameters"]["AllowUrls"]["Default"] == "false"
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["ALLOW_URLS"] == {"Ref": "AllowUrls"}


def test_texts_of_queries_are_not_stored_by_default(template):
    assert template["Parameters"]["FeedbackTexts"]["Default"] == "false"
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["FEEDBACK_TEXTS"] == {"Ref": "FeedbackTexts"}


WORK = ("ImageQueue", "BackfillQueue", "NextModelQueue")


BUCKETS = ("ImageBucket", "DerivedBucket")


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_block_public_access(resources, bucket):
    block = resources[bucket]["Properties"]["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_are_encrypted_and_require_tls(resources, bucket):
    assert resources[bucket]["Properties"]["BucketEncryption"]
    (deny,) = resources[f"{bucket}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    assert deny["Effect"] == "Deny"
    assert deny["Principal"] == "*"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_derived_bucket_sends_no_events(resources):
    assert "NotificationConfiguration" not in resources["DerivedBucket"]["Properties"]


def test_data_is_retained_and_a_failed_creation_leaves_no_bucket(resources):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html"""
    policies = {name: each.get("DeletionPolicy", "Delete") for name, each in resources.items()}
    data = {*BUCKETS, *(f"{bucket}Policy" for bucket in BUCKETS)}
    settings_of_the_account = {"ApiLogsAccount", "ApiLogsRole"}
    assert {name for name, policy in policies.items() if policy == "RetainExceptOnCreate"} == data
    assert {name for name, policy in policies.items() if policy == "Retain"} == (
        settings_of_the_account
    )
    for name in data | settings_of_the_account:
        assert resources[name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("days", [1, 30])
def test_an_overwrite_or_a_deletion_can_be_undone_for_some_days(days):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-configuration-examples.html"""
    bucket = Deployment(NoncurrentVersionDays=days).properties("ImageBucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    old = rules["old-versions"]
    assert old["Status"] == "Enabled"
    assert int(old["NoncurrentVersionExpiration"]["NoncurrentDays"]) == days
    assert old["ExpiredObjectDeleteMarker"] is True
    assert not {"ExpirationInDays", "ExpirationDate", "Prefix"} & old.keys()


def test_no_role_can_delete_a_version(resources):
    assert "s3:DeleteObjectVersion" not in json.dumps(resources)


def test_created_and_deleted_objects_become_messages(resources):
    notification = resources["ImageBucket"]["Properties"]["NotificationConfiguration"]
    assert notification["EventBridgeConfiguration"]["EventBridgeEnabled"] is True
    rule = resources["ObjectChanges"]["Properties"]
    assert rule["EventPattern"]["source"] == ["aws.s3"]
    changes = ["Object Created", "Object Deleted", "Object Restore Completed"]
    tags = ["Object Tags Added", "Object Tags Deleted"]
    assert rule["EventPattern"]["detail-type"] == {
        "Fn::If": ["ReadsTags", [*changes, *tags], changes]
    }
    assert rule["Targets"][0]["Arn"] == {"Fn::GetAtt": ["ImageQueue", "Arn"]}


def test_events_of_other_buckets_are_filtered(resources):
    (name,) = resources["ObjectChanges"]["Properties"]["EventPattern"]["detail"]["bucket"]["name"]
    assert name == {
        "Fn::If": ["CreatesBucket", {"Ref": "ImageBucket"}, {"Ref": "ExistingBucketName"}]
    }


def test_only_the_rule_can_send_to_the_queues(resources):
    policy = resources["QueuesTakeObjectChanges"]["Properties"]
    (allow,) = policy["PolicyDocument"]["Statement"]
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert allow["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["ObjectChanges", "Arn"]}}
    }


def test_the_visibility_timeout_is_six_times_the_function_timeout(template, functions, of_type):
    index_images = functions["IndexImages"]
    window = index_images["Events"]["ImageQueue"]["Properties"]["MaximumBatchingWindowInSeconds"]
    timeouts = template["Parameters"]["IndexTimeoutSeconds"]["AllowedValues"]
    visibility = template["Mappings"]["VisibilityTimeout"]
    assert set(visibility) == set(timeouts)
    for timeout, row in visibility.items():
        assert row["Seconds"] >= 6 * int(timeout) + window
    looked_up = {"Fn::FindInMap": ["VisibilityTimeout", {"Ref": "IndexTimeoutSeconds"}, "Seconds"]}
    for name in WORK:
        assert of_type("AWS::SQS::Queue")[name]["VisibilityTimeout"] == looked_up
    for function in ("IndexImages", "IndexNextModel"):
        assert functions[function]["Timeout"] == {"Ref": "IndexTimeoutSeconds"}


def test_dead_letters_are_retained_for_two_weeks(resources, of_type):
    dead_letters = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    queues = of_type("AWS::SQS::Queue")
    assert set(queues) == {*WORK, "DeadLetterQueue"}
    for name in WORK:
        assert queues[name]["RedrivePolicy"]["deadLetterTargetArn"] == dead_letters
    for target in resources["ObjectChanges"]["Properties"]["Targets"]:
        target = target["Fn::If"][1] if "Fn::If" in target else target
        assert target["DeadLetterConfig"]["Arn"] == dead_letters
    assert queues["DeadLetterQueue"]["MessageRetentionPeriod"] == 14 * 86400
    assert queues["ImageQueue"]["MessageRetentionPeriod"] < 14 * 86400


def test_the_queues_are_encrypted(of_type):
    deployment = Deployment()
    for name in of_type("AWS::SQS::Queue"):
        assert deployment.properties(name)["SqsManagedSseEnabled"] is True
        assert "KmsMasterKeyId" not in deployment.properties(name)


ROOT = REPOSITORY


@pytest.fixture
def machine(resources) -> dict[str, Any]:
    return resources["Backfill"]["Properties"]


@pytest.fixture
def text(machine) -> str:
    return (ROOT / machine["DefinitionUri"]).read_text()


@pytest.fixture
def objects(text) -> dict[str, Any]:
    return json.loads(text)["States"]["Objects"]


def tasks(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tasks of a map, at any depth."""
    for each in state["ItemProcessor"]["States"].values():
        if each["Type"] == "Map":
            yield from tasks(each)
        if each["Type"] == "Task":
            yield each


def test_every_placeholder_of_the_definition_is_substituted(machine, text):
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(machine["DefinitionSubstitutions"])


def test_the_listing_is_read_by_a_distributed_map_with_express_children(objects):
    assert objects["ItemReader"]["Resource"].endswith(":s3:listObjectsV2")
    assert objects["ItemProcessor"]["ProcessorConfig"] == {
        "Mode": "DISTRIBUTED",
        "ExecutionType": "EXPRESS",
    }


def test_one_failed_batch_fails_the_backfill(objects):
    assert not [field for field in objects if field.startswith("Tolerated")]


def test_results_of_ten_million_objects_fit_the_payload_limit_of_a_state(objects):
    children = 10_000_000 / objects["ItemBatcher"]["MaxItemsPerBatch"]
    assert objects["ItemProcessor"]["States"]["AllSent"]["Result"] == {}
    assert children * len("{},") < 256 * 1024
    assert objects["ItemBatcher"]["MaxInputBytesPerBatch"] < 256 * 1024


def test_failed_sends_are_retried_with_growing_delays(objects):
    for task in tasks(objects):
        (retry,) = task["Retry"]
        assert retry["ErrorEquals"] == ["States.ALL"]
        assert retry["MaxAttempts"] >= 5
        assert retry["BackoffRate"] > 1
        assert retry["JitterStrategy"] == "FULL"


def test_both_queues_get_the_same_messages(objects):
    bodies = [task["Parameters"]["MessageBody"] for task in tasks(objects)]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]


def test_a_next_model_receives_every_event(resources):
    _, second = resources["ObjectChanges"]["Properties"]["Targets"]
    condition, target, otherwise = second["Fn::If"]
    assert condition == "HasNextModel"
    assert target["Arn"] == {"Fn::GetAtt": ["NextModelQueue", "Arn"]}
    assert otherwise == {"Ref": "AWS::NoValue"}


def test_a_next_model_is_indexed_by_the_same_code_with_another_model(functions):
    index, after = functions["IndexImages"], functions["IndexNextModel"]
    own = {"Role", "LoggingConfig", "Events", "Environment", "SnapStart"}
    assert {name: index[name] for name in index if name not in own} == {
        name: after[name] for name in after if name not in own
    }


def test_bucket_and_index_are_compared_daily_unless_the_schedule_is_none(template, resources):
    schedule = template["Parameters"]["ReconcileSchedule"]
    assert schedule["Default"] == "rate(1 day)"
    for text in ("none", "rate(12 hours)", "cron(0 3 * * ? *)", schedule["Default"]):
        assert re.fullmatch(schedule["AllowedPattern"], text)
    for text in ("", "daily", "rate(0 days)"):
        assert not re.fullmatch(schedule["AllowedPattern"], text)
    named = {"Fn::Not": [{"Fn::Equals": [{"Ref": "ReconcileSchedule"}, "none"]}]}
    assert template["Conditions"]["Reconciles"] == named
    timer = resources["ReconciliationTimer"]
    assert timer["Condition"] == resources["ReconciliationTimerRole"]["Condition"] == "Reconciles"
    assert timer["Properties"]["ScheduleExpression"] == {"Ref": "ReconcileSchedule"}
    (target,) = timer["Properties"]["Targets"]
    assert target["Arn"] == {"Ref": "Reconciliation"}


def test_a_report_of_the_inventory_is_used_where_one_is_named():
    def uri(**parameters):
        return Deployment(**parameters).properties("Reconcile")["Environment"]["Variables"][
            "INVENTORY_URI"
        ]

    named = {"InventoryBucketName": "reports", "InventoryPrefix": "of/photos/daily"}
    assert uri() == ""
    assert uri(**named) == "s3://reports/of/photos/daily"
    assert Deployment(**named).invalid_parameters() == []
    for wrong in ("daily/", "/daily", "a//b", "s3://reports/daily", ""):
        assert Deployment(InventoryPrefix=wrong).invalid_parameters() == ["InventoryPrefix"]


def test_tuning_runs_on_a_schedule_that_is_off_by_default(template, resources):
    schedule = template["Parameters"]["TuneSchedule"]
    assert schedule["Default"] == "none"
    assert (
        schedule["AllowedPattern"] == template["Parameters"]["ReconcileSchedule"]["AllowedPattern"]
    )
    for name in ("Tune", "TuneRole", "TuneLog", "TuneFails"):
        assert resources[name]["Condition"] == "Tunes"
        assert not Deployment().exists(name)
        assert Deployment(TuneSchedule="rate(7 days)").exists(name)
    [timer] = resources["Tune"]["Properties"]["Events"].values()
    assert (timer["Type"], timer["Properties"]["Schedule"]) == ("Schedule", {"Ref": "TuneSchedule"})


def test_a_reconciliation_leaves_time_and_concurrency(functions):
    machine = json.loads((REPOSITORY / "statemachines/reconcile.asl.json").read_text())
    assert machine["States"]["Parts"]["MaxConcurrency"] == 1
    milliseconds = functions["Reconcile"]["Timeout"] * 1000
    assert milliseconds > 10 * MARGIN_MILLISECONDS
    assert milliseconds == 2 * DIVISION_MARGIN_MILLISECONDS
