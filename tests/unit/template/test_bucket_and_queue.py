"""What template.yaml promises of the bucket and the queues."""

import pytest

WORK = ("ImageQueue", "BackfillQueue", "NextModelQueue")


BUCKETS = ("ImageBucket", "DerivedBucket")


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_shuts_the_public_out(resources, bucket):
    block = resources[bucket]["Properties"]["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_encrypted_and_speaks_tls_only(resources, bucket):
    assert resources[bucket]["Properties"]["BucketEncryption"]
    (deny,) = resources[f"{bucket}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    assert deny["Effect"] == "Deny"
    assert deny["Principal"] == "*"
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_what_is_made_of_images_raises_no_events(resources):
    assert "NotificationConfiguration" not in resources["DerivedBucket"]["Properties"]


def test_the_images_outlive_the_stack(resources):
    for name in (*BUCKETS, *(f"{bucket}Policy" for bucket in BUCKETS)):
        assert resources[name]["DeletionPolicy"] == "Retain"
        assert resources[name]["UpdateReplacePolicy"] == "Retain"


def test_objects_that_come_or_go_become_messages(resources):
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


def test_events_of_other_buckets_stay_out(resources):
    (name,) = resources["ObjectChanges"]["Properties"]["EventPattern"]["detail"]["bucket"]["name"]
    assert name == {
        "Fn::If": ["MakesBucket", {"Ref": "ImageBucket"}, {"Ref": "ExistingBucketName"}]
    }


def test_only_the_rule_may_send_to_the_queues(resources):
    policy = resources["QueuesTakeObjectChanges"]["Properties"]
    (allow,) = policy["PolicyDocument"]["Statement"]
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert allow["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["ObjectChanges", "Arn"]}}
    }


def test_a_message_stays_hidden_for_six_times_the_functions_timeout(template, functions, of_type):
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


def test_what_cannot_be_delivered_or_indexed_is_kept_for_two_weeks(resources, of_type):
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
    assert all(each["SqsManagedSseEnabled"] is True for each in of_type("AWS::SQS::Queue").values())
